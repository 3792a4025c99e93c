"""The latest day's answers, prompt by prompt: the visible text in pieces, names marked, cut where it is too long."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal

from llm_monitoring.analysis import Matcher
from llm_monitoring.db.database import Row
from llm_monitoring.projects import Project
from llm_monitoring.reporting.citations import safe_href

Mark = Literal["", "brand", "rival"]

TEXT_BUDGET_BYTES: Final = 1_100_000
LONGEST_ANSWER_BYTES: Final = 16_000
SHORTEST_ANSWER_BYTES: Final = 600
MOST_MARKS: Final = 120
MOST_SOURCES: Final = 8
LONGEST_TITLE: Final = 140
UNSHOWABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls, and marks that reverse the text after them: a page cannot hold them, or they deceive."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer's visible text, marked where it names the brand or a rival."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class SourceView:
    """A cited page; without `href` it is only named."""

    label: str
    domain: str
    href: str | None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer. `shown` of `length` characters are there; with several samples `sample` numbers it."""

    provider: str
    model: str
    sample: int
    pieces: tuple[Piece, ...]
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
    """A provider that gave no answer, and why: `reason` names it, `pending` where nothing was recorded."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class PromptView:
    """One prompt with the latest day's answers; `named` of `answers` mention the brand."""

    text: str
    branded: bool
    answers: tuple[AnswerView, ...]
    missing: tuple[MissingView, ...]

    @property
    def named(self) -> int:
        return sum(answer.mentioned for answer in self.answers)


def prompt_views(
    project: Project, prompts: Sequence[Row], texts: Sequence[Row], reasons: dict[tuple[int, str], str]
) -> tuple[PromptView, ...]:
    """Return every prompt with its answers, which share TEXT_BUDGET_BYTES of page."""
    matcher = Matcher(project.brand, project.competitors)
    limit = min(LONGEST_ANSWER_BYTES, max(SHORTEST_ANSWER_BYTES, TEXT_BUDGET_BYTES // max(1, len(texts))))
    answers: dict[int, list[AnswerView]] = defaultdict(list)
    for row in texts:
        answers[row["query_id"]].append(answer_view(matcher, row, limit))
    return tuple(
        PromptView(
            text=showable(prompt["query_text"]),
            branded=matcher.names_brand(prompt["query_text"]),
            answers=tuple(sorted(answers[prompt["id"]], key=lambda each: provider_order(project, each))),
            missing=tuple(missing(project, prompt["id"], answers[prompt["id"]], reasons)),
        )
        for prompt in prompts
    )


def provider_order(project: Project, answer: AnswerView) -> tuple[int, str, int]:
    known = list(project.providers)
    place = known.index(answer.provider) if answer.provider in known else len(known)  # type: ignore[arg-type]
    return place, answer.provider, answer.sample


def missing(
    project: Project, query_id: int, answers: Sequence[AnswerView], reasons: dict[tuple[int, str], str]
) -> Iterator[MissingView]:
    answered = {answer.provider for answer in answers}
    for provider in project.providers:
        if provider not in answered:
            yield MissingView(provider, reasons.get((query_id, provider), "pending"))


def answer_view(matcher: Matcher, row: Row, limit: int) -> AnswerView:
    text = row["text"] or ""
    visible = matcher.analyse(text).visible_text
    shown = fitting(visible, limit)
    sources = row["sources"] or []
    return AnswerView(
        provider=row["llm_provider"],
        model=showable(row["model"]),
        sample=row["sample"],
        pieces=tuple(pieces(matcher, text, visible, shown)),
        mentioned=bool(row["brand_mentioned"]),
        position=row["position_in_list"],
        total=row["total_items_in_list"],
        sentiment=row["sentiment"],
        sources=tuple(source_view(source) for source in sources[:MOST_SOURCES]),
        more_sources=max(0, len(sources) - MOST_SOURCES),
        shortened=shown < len(visible) or (row["length"] or 0) > len(text),
        length=row["length"] or 0,
    )


def fitting(text: str, limit: int) -> int:
    """How many characters of `text` fit into `limit` bytes of page, cut at a word where one is near."""
    size = 0
    for place, char in enumerate(text):
        size += len(escape(char).encode("utf-8", "replace"))
        if size > limit:
            space = text.rfind(" ", max(0, place - 40), place)
            return space if space > 0 else place
    return len(text)


def pieces(matcher: Matcher, text: str, visible: str, shown: int) -> Iterator[Piece]:
    """The first `shown` characters of the visible text, its first names marked."""
    brand, reached = matcher.entities[0].name, 0
    for mention in matcher.mentions(text)[:MOST_MARKS]:
        if mention.end > shown:
            break
        if mention.start > reached:
            yield Piece(showable(visible[reached : mention.start]))
        mark: Mark = "brand" if mention.entity == brand else "rival"
        yield Piece(showable(visible[mention.start : mention.end]), mark)
        reached = mention.end
    if reached < shown:
        yield Piece(showable(visible[reached:shown]))


def source_view(source: dict[str, Any]) -> SourceView:
    url, domain = str(source.get("url") or ""), str(source.get("domain") or "")
    label = showable(source.get("title") or url.partition("://")[2])
    return SourceView(shortened(label, LONGEST_TITLE), shortened(showable(domain), 80), safe_href(url))


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def showable(text: str) -> str:
    """`text` without characters that a page cannot hold."""
    return UNSHOWABLE.sub("", text)
