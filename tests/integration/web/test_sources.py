"""Sources over the API: sites by kind with their share of answers, gaps, and kinds that a user sets."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from tests.integration.stored import Book, done, refused
from tests.integration.web.world import World

DAY = date(2026, 11, 1)
OWN, RIVAL, FORUM = "https://quipu.com/a", "https://www.holded.com/b", "https://www.reddit.com/r/es"
PRESS, PRESS_TOO, BLOG = "https://elpais.com/x", "https://cincodias.elpais.com/y", "https://blog.example.co.uk/c"


@pytest.fixture
def measured(world: World) -> World:
    """Five answers that count, and one to a prompt that names the brand, which counts nowhere."""
    new = projects.NewProject(
        world.ana, "P", Entity("Quipu", domains=("quipu.com",)), "x", (Entity("Holded", domains=("holded.com",)),)
    )
    world.project = projects.add(world.db, new)
    projects.add_prompts(world.db, world.project, ["¿Qué programa?", "¿Cuál?", "¿Qué es Quipu?"])
    book = Book(world.db, world.project)
    book.store(0, DAY, "Quipu y Holded", citations=[PRESS, f"{PRESS}?page=2", FORUM, OWN])
    book.store(0, DAY, "Holded", citations=[PRESS, RIVAL, BLOG], provider="google")
    book.store(1, DAY, "Holded", citations=[FORUM], provider="google")
    book.store(1, DAY, "Quipu y Holded", citations=[RIVAL, PRESS_TOO])
    book.store(1, DAY, "Nada", provider="perplexity")
    book.store(2, DAY, "Quipu", citations=["https://hidden.example"])
    return world


def get(world: World, path: str = "", **params: Any) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/sources{path}", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_sites_have_their_kind_and_their_share(measured: World) -> None:
    """The most cited first, then by prompts; each answer once a site, however many of its pages it cites."""
    found = get(measured)
    assert [
        (1, "holded.com", "rival", "Holded", 2, 1),
        (2, "reddit.com", "forum", None, 2, 1),
        (3, "elpais.com", "editorial", None, 2, 2),
        (4, "cincodias.elpais.com", "editorial", None, 1, 1),
        (5, "example.co.uk", "other", None, 1, 1),
        (6, "quipu.com", "own", "Quipu", 1, 1),
    ] == [
        (row["rank"], row["site"], row["kind"], row["owner_name"], row["share"]["citing"], row["pages"])
        for row in found["data"]
    ]
    assert (5, 4, 6, 7) == tuple(
        found[name] for name in ("answers", "with_sources", "distinct_sites", "distinct_pages")
    )
    assert {"google": 2, "openai": 2, "perplexity": 1} == found["by_provider"]
    assert {"google": 1, "openai": 1} == found["data"][2]["by_provider"]


def test_a_rate_has_its_interval_and_what_it_rests_on(measured: World) -> None:
    """Of a site over all providers, of a kind by provider too."""
    found = get(measured)
    share = found["data"][0]["share"]
    assert 5 == share["answers"]
    assert 2 == share["citing"]
    assert 95 == share["confidence"]
    assert share["low"] < share["value"] < share["high"]
    editorial = next(row for row in found["kinds"] if row["kind"] == "editorial")
    assert 3 == editorial["share"]["citing"]
    assert 2 == editorial["sites"]
    assert 3 == editorial["pages"]
    assert {"google": 1, "openai": 2, "perplexity": 0} == {
        name: share["citing"] for name, share in editorial["by_provider"].items()
    }


def test_own_sites_have_the_rate_that_the_figures_have(measured: World) -> None:
    """The share of answers that cite the brand's sites is the citation rate."""
    figures = measured.call("GET", f"/projects/{measured.project}/figures").json()["all"]["citation_rate"]
    own = next(row for row in get(measured)["kinds"] if row["kind"] == "own")["share"]
    assert [figures[name] for name in ("value", "low", "high", "answers")] == [
        own[name] for name in ("value", "low", "high", "answers")
    ]


def test_a_kind_a_provider_and_a_page_at_a_time(measured: World) -> None:
    """A cursor is bound to its kind; the kinds are those of all sites."""
    first = get(measured, kind="editorial", limit=1)
    assert ["elpais.com"] == [row["site"] for row in first["data"]]
    assert 5 == len(first["kinds"])
    rest = get(measured, kind="editorial", limit=1, cursor=first["next_cursor"])
    assert [(2, "cincodias.elpais.com")] == [(row["rank"], row["site"]) for row in rest["data"]]
    path = f"/projects/{measured.project}/sources"
    assert 422 == measured.call("GET", path, params={"cursor": first["next_cursor"]}).status_code
    assert {"elpais.com", "holded.com", "reddit.com", "example.co.uk"} == {
        row["site"] for row in get(measured, provider="google")["data"]
    }


def test_gaps_are_where_competitors_are_and_the_brand_is_not(measured: World) -> None:
    """Sites of others where only competitors are named, and prompts that lead to their sites alone."""
    found = get(measured, "/gaps")
    assert [("elpais.com", 1), ("example.co.uk", 1), ("reddit.com", 1)] == [
        (row["site"], row["answers"]) for row in found["data"]
    ]
    assert [(1, 2, {"Holded": 1}), (1, 3, {"Holded": 1})] == [
        (row["gap"], row["answers"], row["competitors"]) for row in found["prompts"]
    ]
    assert found["brand_has_site"] is True


def listed(world: World, **params: Any) -> int:
    answer = world.call("GET", f"/projects/{world.project}/answers", params={"from": DAY, "to": DAY, **params})
    assert 200 == answer.status_code, answer.text
    return len(answer.json()["data"])


def test_the_list_of_answers_has_those_that_each_number_counts(measured: World) -> None:
    """Of every site and kind, in all and by provider, of every gap, and of answers with sources."""
    found, gaps = get(measured), get(measured, "/gaps")
    for row in found["data"]:
        assert row["share"]["citing"] == listed(measured, site=row["site"]), row
        for provider in found["by_provider"]:
            counted = row["by_provider"].get(provider, 0)
            assert counted == listed(measured, site=row["site"], provider=provider), row
    for row in found["kinds"]:
        assert row["share"]["citing"] == listed(measured, site_kind=row["kind"]), row
    for row in gaps["data"]:
        assert row["answers"] == listed(measured, site=row["site"], where="brand_missing"), row
    for row in gaps["prompts"]:
        assert row["gap"] == listed(measured, prompt=row["query_id"], where="competitors_only"), row
    assert found["with_sources"] == listed(measured, where="sourced")


def test_pages_are_listed_by_site_and_kind(measured: World) -> None:
    """The list of cited pages takes both, and says both of each page."""
    path = f"/projects/{measured.project}/citations"
    rows = measured.call("GET", path, params={"kind": "editorial"}).json()["data"]
    assert {PRESS, f"{PRESS}?page=2", PRESS_TOO} == {row["url"] for row in rows}
    rows = measured.call("GET", path, params={"site": "example.co.uk"}).json()["data"]
    assert [(BLOG, "example.co.uk", "other")] == [(row["url"], row["site"], row["kind"]) for row in rows]


def test_a_kind_that_is_set_is_counted_recorded_and_taken_back(measured: World) -> None:
    """In this project alone, with the value before in the record."""
    path = f"/projects/{measured.project}/sources/kinds"
    assert 200 == measured.call("PUT", f"{path}/Blog.Example.co.uk", json={"kind": "editorial"}).status_code
    assert 200 == measured.call("PUT", f"{path}/blog.example.co.uk", json={"kind": "shop"}).status_code
    assert [("blog.example.co.uk", "shop")] == [(row["site"], row["kind"]) for row in get(measured, "/kinds")]
    assert ("shop", "set") == next(
        (row["kind"], row["basis"]) for row in get(measured)["data"] if row["site"] == "blog.example.co.uk"
    )
    assert 204 == measured.call("DELETE", f"{path}/blog.example.co.uk").status_code
    assert 404 == measured.call("DELETE", f"{path}/blog.example.co.uk").status_code
    assert [
        ("site_kind.unset", {"kind": "shop"}, None),
        ("site_kind.set", {"kind": "editorial"}, {"kind": "shop"}),
        ("site_kind.set", None, {"kind": "editorial"}),
    ] == [(row["action"], row["before"], row["after"]) for row in measured.call("GET", "/audit").json()["data"]]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("site", "kind"), [("example.org", "own"), ("example.org", "rival"), ("co.uk", "forum"), ("quipu.com", "forum")]
)
def test_a_kind_that_would_not_agree_with_the_figures_is_refused(measured: World, site: str, kind: str) -> None:
    """Own and rival sites are the declared ones; an ending is no site. Nothing is recorded."""
    answer = measured.call("PUT", f"/projects/{measured.project}/sources/kinds/{site}", json={"kind": kind})
    assert 422 == answer.status_code
    assert "invalid" == answer.json()["code"]
    assert [] == measured.call("GET", "/audit").json()["data"]


@pytest.mark.ci
def test_the_commands_show_and_set_the_same(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sources` lists sites and gaps, sets kinds with a record, and names what it refuses."""
    monkeypatch.setenv("DATABASE_URL", measured.db.dsn)
    number = str(measured.project)
    assert "elpais.com" in done("sources", "list", number)
    assert '"citing": 2' in done("sources", "list", number, "--kind", "forum", "--json")
    assert "reddit.com" in done("sources", "gaps", number)
    done("sources", "classify", number, "example.co.uk", "forum")
    assert "example.co.uk" in done("sources", "kinds", number)
    assert "declared site of Holded" in refused("sources", "classify", number, "holded.com", "shop")
    done("sources", "reset", number, "example.co.uk")
    assert "sources kinds" in refused("sources", "reset", number, "example.co.uk")
    recorded = measured.call("GET", "/audit").json()["data"]
    assert [("command", "site_kind.unset"), ("command", "site_kind.set")] == [
        (row["actor_kind"], row["action"]) for row in recorded
    ]
