"""Denials."""

from __future__ import annotations

from collections.abc import Sequence

from llm_monitoring.analysis.finding import Match


def absent_matches(folded: str, matches: Sequence[Match]) -> set[Match]:
    return set()
