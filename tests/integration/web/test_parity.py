"""One figure is one number: in the API, the commands, the page, the Markdown, the export and the MCP tools."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from llm_monitoring.reporting.words import Words, load_words
from tests.conftest import Databases
from tests.integration.web import outputs
from tests.integration.web.mcp_client import Served, serving
from tests.integration.web.outputs import FIGURES, UNITS, rest
from tests.integration.web.two_periods import AFTER, PERIOD, two_periods
from tests.integration.web.world import World

PROVIDERS: Final = (None, "openai", "google")
PARTS: Final = ("value", "low", "high", "answers", "prompts")
CHANGED: Final = ("before", "after", "difference", "low", "high", "verdict", "judged_at", "prompts")


@pytest.fixture
def measured(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two periods with answers and their tone, and the commands on their database."""
    with two_periods(databases, scored=True) as world:
        monkeypatch.setenv("DATABASE_URL", world.db.dsn)
        yield world


@pytest.fixture
def served(measured: World) -> Iterator[Served]:
    """The service on a real port."""
    with serving(measured) as found:
        yield found


def numbers(figure: Any, names: tuple[str, ...]) -> list[Any]:
    """Numbers as numbers, however they are written."""
    values = [figure[name] for name in names]
    return [Decimal(each) if isinstance(each, str) and each[-1:].isdigit() else each for each in values]


def words_of(world: World, language: str) -> Words:
    """The words of the project's language, which is set to `language`."""
    world.db.execute(
        "UPDATE llm_monitoring_projects SET language = %(code)s WHERE id = %(id)s",
        {"code": language, "id": world.project},
    )
    return load_words(language)


@pytest.mark.ci
def test_tools_give_what_the_api_gives(served: Served) -> None:
    """Figures, trends, rivals and positions to the last byte, over all providers and of each one."""
    for provider in PROVIDERS:
        found = served.use(partial(outputs.tools, world=served.world, provider=provider))
        assert {table: rest(served.world, table, provider) for table in found} == found, provider


def test_commands_give_what_the_api_gives(measured: World) -> None:
    """Every figure with its interval and basis, those of competitors too, and every change."""
    for provider in PROVIDERS:
        api, command = rest(measured, "figures", provider), outputs.metrics(measured, provider)
        assert api["by_provider"].keys() == command["by_provider"].keys()
        pairs = [(api["all"], command["all"]["figures"])]
        pairs += [(each, command["by_provider"][name]["figures"]) for name, each in api["by_provider"].items()]
        pairs += zip(api["competitors"], command["competitors"], strict=True)
        for own, shown in pairs:
            for name in own.keys() - {"name"}:
                assert numbers(own[name], PARTS) == numbers(shown[name], PARTS), (provider, name)
        for change in command["comparison"]["changes"]:
            own = api["by_provider"][change["provider"]] if change["provider"] else api["all"]
            assert numbers(own[change["figure"]]["change"], CHANGED) == numbers(change, CHANGED)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("language", ["es", "en"])
def test_the_page_shows_what_the_api_gives(measured: World, tmp_path: Path, language: str) -> None:
    """Cards with interval, basis and verdict; rivals; positions; each provider's rate as the filter gives it."""
    words = words_of(measured, language)
    page = outputs.written(measured, "html", tmp_path)
    figures, positions = rest(measured, "figures"), rest(measured, "positions")
    titles = {name: words.say(f"figure_{'sentiment' if 'sentiment' in name else name}") for name in UNITS}
    expected = {title: outputs.expected_card(words, name, figures["all"][name]) for name, title in titles.items()}
    assert expected == outputs.cards(page)
    rows = outputs.rows_of(page, "rivals")
    assert [row for row in rows if row in rival_rows(words, measured)] == rival_rows(words, measured)
    rows = outputs.rows_of(page, "positions")
    assert position_rows(words, positions) == rows[1:]
    for provider in ("openai", "google"):
        rate = rest(measured, "figures", provider)["all"]["mention_rate"]
        line = f"{words.percent(rate['value'])} ({outputs.between(words, rate, 'percent')}) · "
        assert line + words.count("answers", rate["answers"]) in outputs.plain(page)


def rival_rows(words: Words, world: World) -> list[list[str]]:
    rows = []
    for row in rest(world, "rivals")["data"]:
        rate, share, place = (row[name] for name in ("mention_rate", "share_of_voice", "avg_position"))
        ranked = f" ({words.number(place['answers'])})" if place["answers"] else ""
        rows.append(
            [
                row["name"],
                words.percent(rate["value"]),
                "",
                outputs.between(words, rate, "percent"),
                words.percent(share["value"]),
                outputs.between(words, share, "percent"),
                words.number(place["value"], 1) + ranked,
            ]
        )
    return rows


def position_rows(words: Words, positions: Any) -> list[list[str]]:
    return [
        [
            words.provider(row["provider"]) if row["provider"] else words.say("all"),
            words.number(row["avg_position"]["value"], 1),
            outputs.between(words, row["avg_position"], "places"),
            *(words.number(row[f"appeared_in_top{top}"]) for top in (3, 5, 10)),
            words.number(row["avg_position"]["answers"]),
        ]
        for row in sorted(positions["data"], key=lambda row: [None, "openai", "google"].index(row["provider"]))
    ]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("language", ["es", "en"])
def test_the_markdown_shows_what_the_page_shows(measured: World, tmp_path: Path, language: str) -> None:
    """The value, interval and basis of every card, and what changed."""
    words = words_of(measured, language)
    page, markdown = (outputs.written(measured, form, tmp_path) for form in ("html", "md"))
    figures = rest(measured, "figures")["all"]
    for name, unit in UNITS.items():
        title = words.say(f"figure_{'sentiment' if 'sentiment' in name else name}")
        figure = figures[name]
        cells = [
            title,
            words.figure(figure["value"], unit),
            outputs.between(words, figure, unit),
            words.number(figure["answers"]),
            words.number(figure["prompts"]),
        ]
        assert f"| {' | '.join(cells)} |" in markdown
        card = outputs.cards(page)[title]
        assert not card.change or f"- {title}: {card.change}" in markdown.replace("**", "")


@pytest.mark.ci
def test_exported_answers_give_every_figure_again(measured: World) -> None:
    """Computed by the words of the method from the rows of the export, over all providers and of each one."""
    rows = outputs.exported(measured, "results", *PERIOD.values())
    for provider in PROVIDERS:
        own = [row for row in rows if provider in (None, row["llm_provider"])]
        figures = rest(measured, "figures", provider)["all"]
        assert {name: figures[name]["value"] for name in FIGURES} == outputs.recomputed(own), provider
        assert figures["mention_rate"]["answers"] == sum(not row["branded"] for row in own)
        for each in rest(measured, "figures", provider)["competitors"]:
            assert each["mention_rate"]["value"] == outputs.rate_of_competitor(own, each["name"])


def test_a_day_of_one_provider_is_the_same_everywhere(measured: World) -> None:
    """In the period's figures, the exported snapshot, the API's snapshot and the trend."""
    for record in outputs.exported(measured, "snapshots", *PERIOD.values()):
        day, provider = record["snapshot_date"], record["llm_provider"]
        figures = rest(measured, "figures", provider, **{"from": day, "to": day})["all"]
        for name in FIGURES:
            assert [figures[name]["value"]] == numbers(record, (name,)), (day, provider, name)
        rate = figures["mention_rate"]
        assert [rate["low"], rate["high"]] == numbers(record, ("mention_rate_low", "mention_rate_high"))
        assert rate["answers"] == record["total_queries"]
        (trend,) = rest(measured, "trends", provider)["data"]
        (point,) = [each for each in trend["points"] if each["day"] == day]
        assert numbers(rate, PARTS) == numbers(point["mention_rate"], PARTS)


def test_rivals_are_those_of_the_figures(measured: World) -> None:
    """In all, and among the answers of each provider."""
    whole = rest(measured, "rivals")
    for provider in ("openai", "google"):
        alone = {row["name"]: row for row in rest(measured, "rivals", provider)["data"]}
        for row in whole["data"]:
            share = row["share_by_provider"][provider]
            assert numbers(alone[row["name"]]["share_of_voice"], PARTS) == numbers(share, PARTS)
    assert str(AFTER[1]) == whole["latest_day"]
