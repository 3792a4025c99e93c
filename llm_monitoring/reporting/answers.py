"""The latest answers, prompt by prompt: the visible text in pieces, names marked, cut if it is too long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final, Literal

from llm_monitoring.analysis import Matcher, Mention
from llm_monitoring.db import Row
from llm_monitoring.figures import Observation
from llm_monitoring.projects import Project
from llm_monitoring.reporting.citations import address_shown, safe_href
from llm_monitoring.reporting.showing import showable

Mark = Literal["", "brand", "rival"]

PAGE_BUDGET_BYTES: Final = 1_400_000
"""What all answers together may take, so that a page of 240 of them stays well below two megabytes."""

LONGEST_ANSWER_BYTES: Final = 20_000
SHORTEST_ANSWER_BYTES: Final = 800
CELL_EDGE: Final = " | "  # between the cells of a table, which the visible text parts by tabs
MARK_BYTES: Final = 26
COSTS: Final = {"\n": 8, "\t": 3, "&": 5, "<": 4, ">": 4, '"': 6, "'": 6}
"""What the letters take that are written as more than themselves; a line becomes a paragraph."""

SOURCE_BYTES: Final = 160
MOST_MARKS: Final = 150
MOST_SOURCES: Final = 10
LONGEST_TITLE: Final = 140


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer's visible text, marked if it names the brand or a competitor."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source; without `href` it is only named. `searched` ones are not marked in the answer's text."""

    label: str
    domain: str
    href: str | None
    searched: bool = False


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer of `length` characters; with several samples `sample` numbers it."""

    provider: str
    day: date
    model: str
    sample: int
    lines: tuple[tuple[Piece, ...], ...]
    mentioned: bool
    position: int | None
    total: int | None
    sentiment: str | None
    sources: tuple[SourceView, ...]
    more_sources: int
    shortened: bool
    length: int


@dataclass(frozen=True, slots=True)
class MissingView:
    """A provider that gave no answer in the period, and why: `reason` names it, `pending` if nothing was recorded."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class PromptView:
    """One prompt with its latest answers: `named` of `answered` mention the brand; `hidden` are not shown."""

    text: str
    branded: bool
    answered: int
    named: int
    hidden: int
    answers: tuple[AnswerView, ...]
    missing: tuple[MissingView, ...]


Reasons = Mapping[tuple[int, str], str]


def latest_answers(observations: Sequence[Observation]) -> list[Observation]:
    """Return each prompt's answers of its last day with any, at each provider."""
    days: dict[tuple[int, str], date] = {}
    for each in observations:
        key = each.query_id, each.provider
        days[key] = max(days.get(key, each.day), each.day)
    return [each for each in observations if days[each.query_id, each.provider] == each.day]


def prompt_views(
    project: Project, prompts: Sequence[Row], texts: Sequence[Row], latest: Sequence[Observation], reasons: Reasons
) -> tuple[PromptView, ...]:
    """Return every prompt with its latest answers, which share PAGE_BUDGET_BYTES."""
    matcher = Matcher(project.brand, project.competitors)
    limit = min(LONGEST_ANSWER_BYTES, max(SHORTEST_ANSWER_BYTES, PAGE_BUDGET_BYTES // max(1, len(texts))))
    answers: dict[int, list[AnswerView]] = defaultdict(list)
    for row in texts:
        answers[row["query_id"]].append(answer_view(matcher, row, limit))
    return tuple(prompt_view(project, matcher, prompt, answers[prompt["id"]], latest, reasons) for prompt in prompts)


def prompt_view(
    project: Project,
    matcher: Matcher,
    prompt: Row,
    answers: Sequence[AnswerView],
    latest: Sequence[Observation],
    reasons: Reasons,
) -> PromptView:
    own = [each for each in latest if each.query_id == prompt["id"]]
    missing = [name for name in project.providers if name not in {each.provider for each in own}]
    return PromptView(
        text=showable(prompt["query_text"]),
        branded=matcher.names_brand(prompt["query_text"], prompt["language"]),
        answered=len(own),
        named=sum(each.brand_mentioned for each in own),
        hidden=max(0, len(own) - len(answers)),
        answers=tuple(sorted(answers, key=lambda each: provider_order(project, each))),
        missing=tuple(MissingView(name, reasons.get((prompt["id"], name), "pending")) for name in missing),
    )


def provider_order(project: Project, answer: AnswerView) -> tuple[int, str, int]:
    known: list[str] = list(project.providers)
    place = known.index(answer.provider) if answer.provider in known else len(known)
    return place, answer.provider, answer.sample


def answer_view(matcher: Matcher, row: Row, limit: int) -> AnswerView:
    text = row["text"] or ""
    document = matcher.read(text, row["language"])
    visible = document.text
    sources = fitting_sources(row["sources"] or [], limit // 2)
    shown = fitting(visible, limit * 3 // 4 - sum(map(source_size, sources)))
    brand = matcher.entities[0].name
    marks = min(MOST_MARKS, limit // 4 // MARK_BYTES)
    return AnswerView(
        provider=row["llm_provider"],
        day=row["analysis_date"],
        model=showable(row["model"]),
        sample=row["sample"],
        lines=tuple(lines(pieces(matcher.mentions_in(document)[:marks], brand, visible[:shown]))),
        mentioned=bool(row["brand_mentioned"]),
        position=row["position_in_list"],
        total=row["total_items_in_list"],
        sentiment=row["sentiment"],
        sources=tuple(sources),
        more_sources=len(row["sources"] or []) - len(sources),
        shortened=shown < len(visible) or (row["length"] or 0) > len(text),
        length=row["length"] or 0,
    )


def fitting(text: str, limit: int) -> int:
    """How many characters of `text` fit into `limit` bytes of page, cut at a word edge if one is near."""
    if text_bytes(text) <= limit:
        return len(text)
    size = 0
    for place, char in enumerate(text):
        size += COSTS.get(char) or (1 if char < "\x80" else len(char.encode("utf-8", "replace")))
        if size > limit:
            space = text.rfind(" ", max(0, place - 40), place)
            return space if space > 0 else place
    return len(text)


def text_bytes(text: str) -> int:
    """What a text takes on the page."""
    extra = sum((cost - 1) * text.count(char) for char, cost in COSTS.items())
    return extra + len(text if text.isascii() else text.encode("utf-8", "replace"))


def page_size(text: str) -> int:
    return len(escape(text).encode("utf-8", "replace"))


def pieces(mentions: Iterable[Mention], brand: str, shown: str) -> Iterator[Piece]:
    """`shown`, the beginning of an answer's visible text, with the mentions in it marked."""
    reached = 0
    for mention in mentions:
        if mention.end > len(shown):
            break
        yield Piece(shown[reached : mention.start])
        yield Piece(shown[mention.start : mention.end], "brand" if mention.entity == brand else "rival")
        reached = mention.end
    yield Piece(shown[reached:])


def lines(found: Iterable[Piece]) -> Iterator[tuple[Piece, ...]]:
    """The pieces line by line; empty lines are left out."""
    current: list[Piece] = []
    for piece in found:
        first, *others = showable(piece.text).replace("\t", CELL_EDGE).split("\n")
        current.append(Piece(first, piece.mark))
        for text in others:
            yield from line_of(current)
            current = [Piece(text, piece.mark)]
    yield from line_of(current)


def line_of(found: Sequence[Piece]) -> Iterator[tuple[Piece, ...]]:
    kept = tuple(piece for piece in found if piece.text)
    if any(piece.text.strip() for piece in kept):
        yield kept


def fitting_sources(sources: Sequence[Mapping[str, Any]], limit: int) -> list[SourceView]:
    """The first sources, as many as fit into `limit` bytes of page."""
    found: list[SourceView] = []
    size = 0
    for source in sources[:MOST_SOURCES]:
        view = source_view(source)
        size += source_size(view)
        if size > limit:
            break
        found.append(view)
    return found


def source_size(source: SourceView) -> int:
    return SOURCE_BYTES + page_size(source.label) + page_size(source.domain) + page_size(source.href or "")


def source_view(source: Mapping[str, Any]) -> SourceView:
    url, domain = str(source.get("url") or ""), str(source.get("domain") or "")
    label = shortened(showable(source.get("title") or address_shown(url)), LONGEST_TITLE)
    return SourceView(label, shortened(showable(domain), 80), safe_href(url), source.get("cited") is False)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
