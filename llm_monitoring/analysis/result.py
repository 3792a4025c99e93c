"""What the analysis of an answer returns, and the version of its rules; importing it loads none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_monitoring.analysis.sources import Source

ANALYSIS_VERSION = "9"
"""Part of every fingerprint: raised with any change by which an answer may be read otherwise, so that answers that are
stored count as stale. `tests/unit/analysis/test_rules_version.py` notices a change without it."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention of an entity, with its place in the visible text."""

    entity: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """The figures of one answer, named as the database columns are."""

    brand_mentioned: bool = False
    mention_count: int = 0
    mention_contexts: tuple[str, ...] = ()
    competitors_mentioned: dict[str, int] = field(default_factory=dict)
    mention_order: int | None = None
    position_in_list: int | None = None
    total_items_in_list: int | None = None
    ranking_kind: str | None = None
    appears_in_numbered_list: bool = False
    competitor_positions: dict[str, int] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    brand_cited: bool = False
    competitors_cited: dict[str, int] = field(default_factory=dict)
    visible_text: str = ""
