"""What each output shows of one period: the API, the commands, the page, the Markdown, the export and the MCP tools."""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from mcp import Client

from llm_monitoring.reporting.words import Words
from tests.integration.stored import done
from tests.integration.web.two_periods import COMPARED
from tests.integration.web.world import World

UNITS: Final[Mapping[str, str]] = {
    "mention_rate": "percent",
    "share_of_voice": "percent",
    "avg_position": "places",
    "citation_rate": "percent",
    "avg_sentiment_score": "score",
}
FIGURES: Final = (*UNITS, "weighted_share_of_voice")
TOOLS: Final[Mapping[str, str]] = {
    "compare_periods": "figures",
    "get_trend": "trends",
    "get_rivals": "rivals",
    "get_positions": "positions",
}
DAYS: Final = [word for name, day in COMPARED.items() for word in (f"--{name.replace('_', '-')}", day)]
WEIGHTS: Final = ((3, Fraction(2)), (5, Fraction(3, 2)), (10, Fraction(6, 5)))


def exact(document: str) -> Any:
    """JSON with its numbers as they are written, so that none is rounded on the way."""
    return json.loads(document, parse_float=Decimal)


def rest(world: World, table: str, provider: str | None = None, **days: str) -> Any:
    """What an operation gives of the later period, compared with the earlier one, or of other days."""
    params = {**(days or COMPARED), **({"provider": provider} if provider else {})}
    answer = world.call("GET", f"/projects/{world.project}/{table}", params=params)
    assert 200 == answer.status_code, answer.text
    return exact(answer.text)


async def tools(client: Client, world: World, provider: str | None) -> dict[str, Any]:
    """What the tools of a measured period give, under the names of the operations."""
    given = {"project_id": world.project, **COMPARED, **({"provider": provider} if provider else {})}
    found = {}
    for tool, table in TOOLS.items():
        (content,) = (await client.call_tool(tool, given)).content
        assert content.type == "text"
        found[table] = exact(content.text)
    return found


def metrics(world: World, provider: str | None = None) -> Any:
    """What the command `metrics` prints for programs."""
    narrowed = ["--provider", provider] if provider else []
    return exact(done("metrics", str(world.project), *DAYS, *narrowed, "--json"))


def written(world: World, form: str, folder: Path) -> str:
    """The report that the command `report` writes."""
    out = folder / f"report.{form}"
    done("report", str(world.project), *DAYS, "--format", form, "--out", str(out))
    return out.read_text(encoding="utf-8")


def exported(world: World, kind: str, first: str, last: str) -> list[Any]:
    """The rows of a period that the command `export` prints."""
    options = ("--project", str(world.project), "--from", first, "--to", last, "--format", "jsonl")
    return [exact(line) for line in done("export", kind, *options).splitlines()]


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as a reader sees it."""

    value: str
    interval: str
    basis: str
    change: str


def cards(page: str) -> dict[str, Shown]:
    """The cards at the head of the page, by their titles."""
    found = {}
    for card in re.findall(r'<li class="card.*?</li>', page, re.DOTALL):
        title, value = shown(r"<h3>(.*?)</h3>", card), shown(r'"value">(.*?)</p>', card)
        interval, basis = shown(r"</p>\s*<p>(.*?)</p>", card), shown(r'<p class="fine">(.*?)</p>', card)
        found[title] = Shown(value, interval, basis, shown(r'"verdict">(.*?)</p>', card))
    return found


def shown(pattern: str, page: str) -> str:
    """What a reader sees of the first match."""
    found = re.search(pattern, page, re.DOTALL)
    return plain(found[1]) if found else ""


def plain(markup: str) -> str:
    return re.sub(r"[^\S\xa0\u202f]+", " ", html.unescape(re.sub(r"<[^>]*>", "", markup))).strip()


def rows_of(page: str, section: str) -> list[list[str]]:
    """The rows of the tables of a section of the page."""
    (part,) = re.findall(rf'<section id="{section}".*?</section>', page, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row, re.DOTALL)] for row in rows]


def expected_card(words: Words, name: str, figure: Mapping[str, Any]) -> Shown:
    """How a figure of the API reads on the page."""
    interval = words.say("no_interval")
    if figure["low"] is not None:
        interval = words.say("interval_95", interval=between(words, figure, UNITS[name]))
    answers, prompts = words.count("answers", figure["answers"]), words.count("prompts", figure["prompts"])
    basis = words.say("rests_on", answers=answers, prompts=prompts)
    return Shown(words.figure(figure["value"], UNITS[name]), interval, basis, expected_change(words, name, figure))


def between(words: Words, figure: Mapping[str, Any], unit: str) -> str:
    return words.between(figure["low"], figure["high"], unit)


def expected_change(words: Words, name: str, figure: Mapping[str, Any]) -> str:
    """How the change of a figure reads on the page."""
    change = figure["change"]
    if change is None:
        return ""
    if change["verdict"] == "too little data":
        return f"{words.say('verdict_little')} {words.say('verdict_little_why')}"
    is_better = (change["verdict"] == "up") != (name == "avg_position")
    sign = words.say("verdict_noise")
    if change["verdict"] != "within noise":
        sign = f"{'▲' if is_better else '▼'} {words.say('verdict_better' if is_better else 'verdict_worse')}:"
    numbers = {key: words.signed(change[key]) for key in ("difference", "low", "high")}
    said = f"{sign} {words.say('verdict_places' if name == 'avg_position' else 'verdict_points', **numbers)}"
    is_strict = change["verdict"] == "within noise" and change["low"] * change["high"] > 0
    return f"{said} {words.say('verdict_strict')}" if is_strict else said


Row = Mapping[str, Any]
Value = Callable[[Row], tuple[Fraction, Fraction] | None]


def rate_of_competitor(rows: Sequence[Row], name: str) -> Decimal | None:
    """The mention rate of a competitor, of exported answers."""
    own = [row for row in rows if not row["branded"]]
    return ratio(own, lambda row: (Fraction(100 * (name in row["competitors_mentioned"])), Fraction(1)))


def recomputed(rows: Sequence[Row]) -> dict[str, Decimal | None]:
    """Every figure of exported answers, by the words of the method and no code of the product."""
    own = [row for row in rows if not row["branded"]]
    return {
        "mention_rate": ratio(own, lambda row: (Fraction(100 * row["brand_mentioned"]), Fraction(1))),
        "share_of_voice": ratio(own, lambda row: shares(row, lambda place: Fraction(1))),
        "weighted_share_of_voice": ratio(own, lambda row: shares(row, weight)),
        "avg_position": ratio(own, lambda row: one(row["position_in_list"])),
        "citation_rate": ratio(own, lambda row: (Fraction(100 * row["brand_cited"]), Fraction(1))),
        "avg_sentiment_score": ratio(own, lambda row: one(row["sentiment_score"])),
    }


def one(value: Any) -> tuple[Fraction, Fraction] | None:
    return None if value is None else (Fraction(value), Fraction(1))


def shares(row: Row, weigh: Callable[[int | None], Fraction]) -> tuple[Fraction, Fraction]:
    brand = weigh(row["position_in_list"]) if row["brand_mentioned"] else Fraction(0)
    places = row["competitor_positions"]
    return 100 * brand, brand + sum((weigh(places.get(name)) for name in row["competitors_mentioned"]), Fraction(0))


def weight(place: int | None) -> Fraction:
    if place is None:
        return Fraction(1)
    return next((heavy for top, heavy in WEIGHTS if place <= top), Fraction(4, 5))


def ratio(rows: Iterable[Row], value: Value) -> Decimal | None:
    """Sums over prompts of means over providers of means over days, with two decimals."""
    parts: dict[Any, dict[Any, dict[Any, list[tuple[Fraction, Fraction]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in rows:
        found = value(row)
        if found is not None:
            parts[row["query_id"]][row["llm_provider"]][row["analysis_date"]].append(found)
    sums = [Fraction(0), Fraction(0)]
    for providers in parts.values():
        for place in (0, 1):
            sums[place] += mean(
                mean(mean(each[place] for each in some) for some in days.values()) for days in providers.values()
            )
    return round(Decimal(float(sums[0] / sums[1])), 2) if sums[1] else None


def mean(values: Iterable[Fraction]) -> Fraction:
    found = list(values)
    return sum(found, Fraction(0)) / len(found)
