"""The site and the kind of a host: declared, set by a user, listed, or unknown."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.errors import Invalid
from llm_monitoring.projects.definition import Project
from llm_monitoring.projects.site_kinds import SETTABLE, Kind, SiteKinds, listed_kinds, registrable, site_of
from llm_monitoring.projects.sites import site_problem


def project(**fields: Any) -> Project:
    plain: dict[str, Any] = {
        "id": 1, "user_id": 1, "name": "P", "brand": Entity("Quipu", domains=("quipu.com",)),
        "competitors": (Entity("Holded", domains=("holded.com", "shop.holded.co.uk")), Entity("Sage")),
        "industry": "x", "language": "es", "country": None, "providers": ("openai",), "web_search": False,
        "samples_per_query": 1, "is_active": True,
    }  # fmt: skip
    return Project(**(plain | fields))


@pytest.mark.parametrize(
    ("host", "site", "kind", "basis"),
    [
        ("quipu.com", "quipu.com", "own", "declared"),
        ("blog.quipu.com", "quipu.com", "own", "declared"),
        ("notquipu.com", "notquipu.com", "other", "unknown"),
        ("holded.com", "holded.com", "rival", "declared"),
        ("shop.holded.co.uk", "shop.holded.co.uk", "rival", "declared"),
        ("www.holded.co.uk", "holded.co.uk", "other", "unknown"),
        ("es.wikipedia.org", "wikipedia.org", "reference", "listed"),
        ("EN.Wikipedia.ORG", "wikipedia.org", "reference", "listed"),
        ("wikipedia.org.evil.example", "evil.example", "other", "unknown"),
        ("news.ycombinator.com", "news.ycombinator.com", "forum", "listed"),
        ("ycombinator.com", "ycombinator.com", "other", "unknown"),
        ("cincodias.elpais.com", "cincodias.elpais.com", "editorial", "listed"),
        ("www.gov.uk", "gov.uk", "institutional", "listed"),
        ("tax.service.gov.uk", "tax.service.gov.uk", "institutional", "listed"),
        ("sede.agenciatributaria.gob.es", "agenciatributaria.gob.es", "institutional", "listed"),
        ("upm.es", "upm.es", "institutional", "listed"),
        ("smile.amazon.co.uk", "amazon.co.uk", "shop", "listed"),
        ("amazon.blogspot.com", "amazon.blogspot.com", "other", "unknown"),
        ("shop.bbc.co.uk", "bbc.co.uk", "editorial", "listed"),
        ("sub.example.co.uk", "example.co.uk", "other", "unknown"),
        ("müller.de", "xn--mller-kva.de", "other", "unknown"),
        ("192.0.2.10", "192.0.2.10", "other", "unknown"),
        ("localhost", "localhost", "other", "unknown"),
        ("co.uk", "co.uk", "other", "unknown"),
        ("", "", "other", "unknown"),
    ],
)
def test_the_site_and_kind_of_a_host(host: str, site: str, kind: str, basis: str) -> None:
    """Declared sites first, then the list; a site is what someone can register, or the longer entry that decides."""
    found = SiteKinds(project(), {}).of(host)
    assert site == found.name
    assert kind == found.kind
    assert basis == found.basis


def test_the_owner_is_the_entity_that_declares() -> None:
    """The brand and each competitor by name; no one else's site has an owner."""
    kinds = SiteKinds(project(), {})
    assert ["Quipu", "Holded", None] == [kinds.of(host).owner for host in ("quipu.com", "a.holded.com", "sage.com")]


def test_a_user_s_word_comes_before_the_list_and_after_the_declared_sites() -> None:
    """It holds for the hosts below, and the longest of several decides."""
    set_by_user: dict[str, Kind] = {
        "wikipedia.org": "other",
        "example.com": "shop",
        "blog.example.com": "editorial",
        "quipu.com": "forum",
    }
    kinds = SiteKinds(project(), set_by_user)
    hosts = ("es.wikipedia.org", "www.example.com", "blog.example.com", "a.blog.example.com", "quipu.com")
    assert ["other", "shop", "editorial", "editorial", "own"] == [kinds.of(host).kind for host in hosts]


NO_SITES = ("co.uk", "blogspot.com", "gov.uk", "localhost", "", "a.com b.com", "x.com/page", "*.x.com", "me@x.com")
DECLARED = ("quipu.com", "www.quipu.com", "shop.holded.com")


@pytest.mark.parametrize("text", [*NO_SITES, *DECLARED])
def test_what_is_no_site_of_others_is_refused(text: str) -> None:
    """Endings that many share, pages, lists, addresses, and what the project declares."""
    with pytest.raises(Invalid) as caught:
        site_of(project(), text)
    assert "site" == caught.value.field


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("Example.COM", "example.com"),
        (" https://www.example.com/ ", "example.com"),
        ("müller.de", "xn--mller-kva.de"),
        ("a.blogspot.com", "a.blogspot.com"),
        ("bbc.co.uk", "bbc.co.uk"),
    ],
)
def test_a_site_is_stored_in_one_spelling(text: str, site: str) -> None:
    """However it is typed."""
    assert site == site_of(project(), text)


def test_the_list_is_sound() -> None:
    """Every entry is a host or an ending in the spelling in which hosts are compared, of a kind that a user may set."""
    odd = [site for site in listed_kinds() if site != site.lower() or (site_problem(site) and "." in site)]
    assert [] == odd
    assert set() == set(listed_kinds().values()) - set(SETTABLE)
    assert {"editorial", "reference", "forum", "shop", "institutional"} == set(Counter(listed_kinds().values()))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("a.b.example.co.uk", "example.co.uk"), ("x.github.io", "x.github.io"), ("10.0.0.1", "10.0.0.1")],
)
def test_what_someone_can_register(host: str, expected: str) -> None:
    """By the public suffix list; an address of a machine has no such part."""
    assert expected == registrable(host)
