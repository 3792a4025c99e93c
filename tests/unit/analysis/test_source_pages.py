"""Which page a source is, whose it is, and whether the text marks it."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, analyse
from llm_monitoring.analysis.sources import page_key

ACME = Entity("Acme", domains=("acme.example",))
RIVAL = Entity("Rival", domains=("rival.example",))
REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZ"


@pytest.mark.parametrize(
    ("title", "domain"),
    [
        ("acme.example", None),
        ("ACME.Example", None),
        ("www.acme.example", None),
        ("The best helpdesks", "acme.example"),
        ("The best helpdesks", "Blog.Acme.Example"),
        (None, "https://www.acme.example/"),
        ("rival.example", "acme.example"),
    ],
)
def test_behind_a_redirect_the_site_is_named_next_to_the_link(title: str | None, domain: str | None) -> None:
    """In the domain that the provider gives, or in the title if that is a host, in any case of letters."""
    analysis = analyse("", ACME, [RIVAL], [{"url": REDIRECT, "title": title, "domain": domain}])
    assert analysis.brand_cited is True
    assert {} == analysis.competitors_cited


def test_a_rival_behind_a_redirect_is_cited() -> None:
    """The competitors' pages are counted by the same site."""
    analysis = analyse("", ACME, [RIVAL], [{"url": f"{REDIRECT}{n}", "title": "rival.example"} for n in range(2)])
    assert {"Rival": 2} == analysis.competitors_cited


@pytest.mark.parametrize("title", ["Acme: the site", None, "acme.example and others"])
def test_without_a_site_next_to_it_a_redirect_is_nobodys(title: str | None) -> None:
    """A title that is no host names no site."""
    sources = analyse("", ACME, (), [{"url": REDIRECT, "title": title}]).sources
    assert ["vertexaisearch.cloud.google.com"] == [source["domain"] for source in sources]


def test_a_title_says_nothing_about_a_page_that_is_no_redirect() -> None:
    """Its address does."""
    assert not analyse("", ACME, (), [{"url": "https://x.example/", "title": "acme.example"}]).brand_cited


@pytest.mark.parametrize(
    ("declared", "url"),
    [
        ("müller.de", "https://xn--mller-kva.de/x"),
        ("xn--mller-kva.de", "https://shop.müller.de/"),
        ("пример.рф", "https://xn--e1afmkfd.xn--p1ai"),
        ("MÜLLER.de", "https://XN--MLLER-KVA.DE:443/x"),
        ("https://www.müller.de/kontakt", "https://m%C3%BCller.de"),
    ],
)
def test_two_spellings_of_a_host_are_one(declared: str, url: str) -> None:
    """In what the provider returns and in a bare URL of the text."""
    brand = Entity("Müller", domains=(declared,))
    found = [analyse("", brand, (), [{"url": url}]), analyse(f"Siehe {url} dort", brand)]
    assert [True, True] == [each.brand_cited for each in found]


def test_a_host_without_its_accent_is_another() -> None:
    """What names ignore, addresses do not."""
    assert not analyse("", Entity("Müller", domains=("müller.de",)), (), [{"url": "https://muller.de"}]).brand_cited


def test_a_coded_host_in_text_names_the_brand() -> None:
    """A bare domain is compared with both spellings."""
    brand = Entity("Zzz", domains=("müller.de", "пример.рф"))
    assert 3 == analyse("xn--mller-kva.de, müller.de; xn--e1afmkfd.xn--p1ai.", brand).mention_count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://es.wikipedia.org/wiki/Facturaci%C3%B3n", "https://es.wikipedia.org/wiki/Facturación"),
        ("https://a.com/%c3%b3", "https://a.com/%C3%B3"),
        ("https://a.com/Foo_%28bar%29", "https://a.com/Foo_(bar)"),
        ("https://a.com/a%20b%7Ec", "https://a.com/a b~c"),
        ("https://a.com:443/x", "https://a.com/x"),
        ("http://a.com:80/x/", "https://www.a.com/x"),
        ("https://a.com/?q=%c3%b1&utm_source=x", "https://a.com?q=ñ"),
        ("https://a.com/x#part", "https://A.com/x?utm%5Fsource=y&gclid=1"),
        ("https://müller.de/x", "https://xn--mller-kva.de/x"),
        ("https://a.com/100%", "https://a.com/100%25"),
    ],
)
def test_spellings_of_a_page_are_one(one: str, other: str) -> None:
    """The first is kept, the provider's before those of the text."""
    sources = analyse(f"[b]({other.replace(' ', '%20')})", ACME, (), [{"url": one}]).sources
    assert "provider" == sources[0]["kind"]
    assert 1 == len(sources)
    assert page_key(one) == page_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.com/a%2Fb", "https://a.com/a/b"),
        ("https://a.com/?a=1%262", "https://a.com/?a=1&2"),
        ("https://a.com:8443/", "https://a.com/"),
        ("https://a.com/A", "https://a.com/a"),
        ("https://a.com/x?y", "https://a.com/x%3Fy"),
        ("https://a.com/?a=1%2B1", "https://a.com/?a=1+1"),
        ("https://a.com/?ref=x", "https://a.com/"),
    ],
)
def test_other_pages_stay_others(one: str, other: str) -> None:
    """A sign that means something is not the same encoded; ports, paths and parameters count."""
    assert 2 == len(analyse("", ACME, (), [{"url": one}, {"url": other}]).sources)


def test_cited_says_whether_the_text_marks_a_page() -> None:
    """One mark of a page is enough, a link of the text is one, and it is null if the provider does not say."""
    given = [
        {"url": "https://a.com", "cited": False},
        {"url": "https://b.com", "cited": False},
        {"url": "https://www.b.com/", "cited": True},
        {"url": "https://c.com", "cited": False},
    ]
    found = analyse("[c](https://c.com) [d](https://d.com)", ACME, (), given).sources
    assert [False, True, True, True] == [source["cited"] for source in found]
    assert [None, None] == [
        s["cited"] for s in analyse("[c](https://c.com)", ACME, (), [{"url": "https://a.com"}]).sources
    ]
