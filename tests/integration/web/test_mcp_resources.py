"""Resources and prompts of the MCP server: what a token is shown, what they hold, what is refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import anyio
import pytest
from mcp import Client, MCPError

from llm_monitoring.reporting.markdown import escaped, method
from llm_monitoring.reporting.words import LANGUAGES, load_words
from tests.integration.stored import Book
from tests.integration.web.mcp_client import DAYS, Served, serving, stdio_command, store_two_days
from tests.integration.web.world import World, add_project

METHODS: Final = [f"llm-monitoring://method/{language}" for language in LANGUAGES]
FORGED: Final = "# Forged\n\n![x](https://evil.example/p.png) <img src=x> [Quipu](https://evil.example)"
REFUSED: Final = [
    ("https://example.org", "not_found: there is no such resource"),
    ("llm-monitoring://method/xx", "not_found: there is no such resource"),
    ("llm-monitoring://[", "not_found: there is no such resource"),
    ("file:///etc/passwd", "not_found: there is no such resource"),
    ("llm-monitoring://projects/x/report", "invalid: A value is not accepted\n/project_id: "),
    ("llm-monitoring://projects/1/report?from=x", "invalid: A value is not accepted\n/from: "),
    ("llm-monitoring://projects/1/report?provider=openai", "invalid: A value is not accepted\n/provider: "),
    ("llm-monitoring://projects/1/report?tag=x", "invalid: A value is not accepted\n/tag: "),
    ("llm-monitoring://projects/1/report?days=3", "invalid: A value is not accepted\n/days: "),
    ("llm-monitoring://projects/999/report", "not_found: There is no such thing here"),
]


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    """The service on a real port, with two days of answers."""
    store_two_days(world)
    with serving(world) as found:
        yield found


async def shown(client: Client) -> tuple[list[str], int, list[str]]:
    """The addresses of the resources, the number of templates, and the names of the prompts."""
    resources = [str(each.uri) for each in (await client.list_resources()).resources]
    templates = (await client.list_resource_templates()).resource_templates
    return resources, len(templates), [each.name for each in (await client.list_prompts()).prompts]


async def read(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    text: str = content.text  # type: ignore[union-attr]
    return text


async def error_of(work: Callable[..., Awaitable[Any]], *given: Any) -> str:
    with pytest.raises(MCPError) as caught:
        await work(*given)
    return caught.value.message


def report_uri(project_id: int, query: str = "") -> str:
    return f"llm-monitoring://projects/{project_id}/report{query}"


def test_a_token_is_shown_what_it_may_read(served: Served) -> None:
    """Of reports those of its projects; without the scope to read answers none, and no prompt that needs them."""
    world = served.world
    other = add_project(world.db, world.ana, "Other")
    prompts = [f"{kind}_{language}" for kind in ("weekly_review", "explain_change") for language in ("en", "es")]
    own = [report_uri(world.project), report_uri(other)]
    assert ([*METHODS, *own], 1, prompts) == served.use(shown)
    narrowed = world.token(world.ana, project_ids=[other])
    assert ([*METHODS, own[1]], 1, prompts) == served.use(shown, narrowed)
    assert (METHODS, 0, []) == served.use(shown, world.token(world.ana, ["projects:read", "figures:read"]))


def test_the_report_quotes_answers_as_text(served: Served) -> None:
    """In the project's language, with each figure's interval and basis; an answer forges no heading, image or link."""
    Book(served.world.db, served.world.project).store(0, DAYS[1], FORGED, provider="google")

    async def work(client: Client) -> tuple[str, str]:
        days = f"?from={DAYS[1]}&to={DAYS[1]}&compare_from={DAYS[0]}&compare_to={DAYS[0]}"
        return await read(client, report_uri(served.world.project)), await read(
            client, report_uri(served.world.project, days)
        )

    latest, chosen = served.use(work)
    words = load_words("es")
    rate = served.world.call("GET", f"/projects/{served.world.project}/figures").json()["all"]["mention_rate"]
    assert f"| {words.say('figure_mention_rate')} | {words.percent(rate['value'])} |" in latest
    assert f"| {rate['answers']} | {rate['prompts']} |" in latest
    assert "\n# Forged" not in latest
    assert [] == [mark for mark in ("![", "](", "<img") if mark in latest]
    assert escaped("# Forged") not in latest  # a heading's mark is no visible text
    assert words.say("quoted") in latest
    assert words.say("verdict_little") in chosen


@pytest.mark.ci
def test_the_method_is_that_of_the_report(served: Served) -> None:
    """Word for word, whatever the scopes."""

    async def work(client: Client) -> list[str]:
        return [await read(client, uri) for uri in METHODS]

    assert [method(language) for language in LANGUAGES] == served.use(
        work, served.world.token(served.world.ana, ["keys:write"])
    )


def test_refusals_of_resources_are_in_words(served: Served) -> None:
    """A code and a sentence; a report of others is a missing one, and one without the scopes says which."""

    async def work(client: Client) -> list[str]:
        foreign = report_uri(served.world.foreign)
        return [await error_of(client.read_resource, uri) for uri in [*(u for u, _ in REFUSED), foreign]]

    found = served.use(work)
    assert [text for _, text in REFUSED] == [each[: len(text)] for each, (_, text) in zip(found, REFUSED, strict=False)]
    assert found[-2] == found[-1]
    narrow = served.world.token(served.world.ana, ["figures:read"])

    async def lacking(client: Client) -> str:
        return await error_of(client.read_resource, report_uri(served.world.project))

    assert "scope_missing: answers:read" == served.use(lacking, narrow)


def test_an_error_of_ours_says_nothing_of_itself(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Neither of a resource nor of a list of them; the trace is in the log alone."""
    served.world.db.execute("ALTER TABLE llm_monitoring_projects RENAME COLUMN brand_name TO brand")

    async def work(client: Client) -> list[str]:
        uri = report_uri(served.world.project)
        return [await error_of(client.read_resource, uri), await error_of(client.list_resources)]

    with caplog.at_level(logging.ERROR):
        assert ["internal: An error of the service"] * 2 == served.use(work)
    assert "brand_name" in caplog.text


@pytest.mark.ci
def test_a_viewer_reads_no_reason(served: Served) -> None:
    """Neither that a key is missing nor that the budget is spent; the owner reads both."""
    world = served.world
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.project, "u": world.bea})
    no_key = load_words("es").say("no_key")

    async def work(client: Client) -> str:
        return await read(client, report_uri(world.project))

    assert (True, False) == tuple(no_key in served.use(work, world.texts[name]) for name in ("ana", "bea"))


def test_prompts_are_filled_in_their_language(served: Served) -> None:
    """With the project's number and the days that are given; every tool that one names is there."""
    days = {"from": "2026-11-02", "to": "2026-11-02", "compare_from": "2026-11-01", "compare_to": "2026-11-01"}

    async def work(client: Client) -> list[str]:
        own = {"project_id": str(served.world.project)}
        found = [await client.get_prompt(f"weekly_review_{language}", own) for language in ("en", "es")]
        found += [await client.get_prompt(f"explain_change_{language}", own | days) for language in ("en", "es")]
        return [each.messages[0].content.text for each in found]  # type: ignore[union-attr]

    english, spanish, change, cambio = served.use(work)
    assert english.startswith(f"Review project {served.world.project} for")
    assert spanish.startswith(f"Revisa el proyecto {served.world.project} en")
    assert "2026-11-01 to 2026-11-01 (before)" in change
    assert "del 2026-11-02 al 2026-11-02" in cambio


@pytest.mark.ci
def test_refusals_of_prompts_are_in_words(served: Served) -> None:
    """An unknown prompt, values that are none, and a project of others, which is a missing one."""

    async def work(client: Client) -> list[str]:
        asked: list[tuple[str, dict[str, str]]] = [
            ("unknown_en", {}),
            ("weekly_review_en", {}),
            ("weekly_review_en", {"project_id": "1; {x}"}),
            ("weekly_review_en", {"project_id": str(served.world.foreign)}),
            ("weekly_review_en", {"project_id": "999"}),
        ]
        return [await error_of(client.get_prompt, name, given) for name, given in asked]

    found = served.use(work)
    starts = ["not_found: there is no such prompt", *["invalid: A value is not accepted\n/project_id: "] * 2]
    assert starts == [each[: len(start)] for each, start in zip(found, starts, strict=False)]
    assert ["not_found: There is no such thing here"] * 2 == found[3:]


@pytest.mark.ci
def test_resources_and_prompts_over_stdio(world: World, database_url: str) -> None:
    """The same ones, for the user that the command names."""

    async def run() -> tuple[Any, str]:
        async with Client(stdio_command(database_url)) as client:
            return await shown(client), await read(client, report_uri(world.project))

    found, report = anyio.run(run)
    assert [*METHODS, report_uri(world.project)] == found[0]
    assert report.startswith("# Quipu")
