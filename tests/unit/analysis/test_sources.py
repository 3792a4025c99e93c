"""The pages that an answer cites."""

from __future__ import annotations

from types import SimpleNamespace

from llm_monitoring.analysis import Entity, analyse

HOLDED = Entity("Holded", domains=("holded.com",))
QUIPU = Entity("Quipu", domains=("getquipu.com",))


def test_a_page_is_one_source_whatever_its_dress() -> None:
    """Scheme, www, slash, fragment and tracking do not make another page; other parameters do."""
    citations = [{"url": "https://www.holded.com/es/?utm_source=openai#top", "title": "Holded"}]
    text = "[a](http://holded.com/es) [b](https://holded.com/es?lang=en&gclid=1) https://holded.com/es."
    sources = analyse(text, HOLDED, (), citations).sources
    found = [(source["url"], source["kind"], source["title"]) for source in sources]
    assert [
        ("https://www.holded.com/es/", "provider", "Holded"),
        ("https://holded.com/es?lang=en", "inline", "b"),
    ] == found


def test_inline_sources_are_links_and_bare_urls() -> None:
    """A link, an `<a href>` and a URL with its scheme count; a bare domain, an image and a mail address do not."""
    text = "[x](https://a.com/1) <a href='https://b.com'>b</a> https://c.com/x, d.com ![i](https://e.com/i.png) m@f.c"
    assert ["a.com", "b.com", "c.com"] == [source["domain"] for source in analyse(text, HOLDED).sources]


def test_cited_means_the_entitys_own_host() -> None:
    """A subdomain counts, a host that only ends alike does not; pages are counted once."""
    citations = [
        SimpleNamespace(url="https://notholded.com/a", title=None),
        SimpleNamespace(url="https://help.getquipu.com/a", title=None),
        {"url": "https://getquipu.com/b"},
        {"url": "https://getquipu.com/b/"},
        {"url": None},
    ]
    analysis = analyse("", HOLDED, [QUIPU], citations)
    assert analysis.brand_cited is False
    assert {"Quipu": 2} == analysis.competitors_cited
    assert analyse("", QUIPU, [HOLDED], citations).brand_cited


def test_bad_addresses_are_no_sources() -> None:
    """What is no web address is left out."""
    citations = [{"url": "http://[bad"}, {"url": "mailto:a@b.c"}, {"url": ""}, {}]
    assert () == analyse("[a](#x) [b](/rel)", HOLDED, (), citations).sources
