"""Which answers a figure of sources counts."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.analysis import Entity
from llm_monitoring.projects.definition import Project
from llm_monitoring.projects.site_kinds import SiteKinds
from llm_monitoring.reporting.source_filter import SourceFilter

PROJECT = Project(
    1, 1, "P", Entity("Quipu", domains=("quipu.com",)), (Entity("Holded", domains=("holded.com",)),), "x", "es", None,
    ("openai",), False, 1, True,
)  # fmt: skip
KINDS = SiteKinds(PROJECT, {})


def row(*domains: str, brand: bool = False, rivals: tuple[str, ...] = (), branded: bool = False) -> dict[str, Any]:
    return {
        "branded": branded,
        "brand_mentioned": brand,
        "competitors_mentioned": dict.fromkeys(rivals, 1),
        "sources": [{"domain": each} for each in domains],
    }


@pytest.mark.parametrize(
    ("wanted", "answer", "expected"),
    [
        ({"where": "competitors_only"}, row("holded.com"), True),
        ({"where": "competitors_only"}, row("holded.com", "quipu.com"), False),
        ({"where": "competitors_only"}, row("elpais.com", rivals=("Holded",)), False),
        ({"where": "brand_missing"}, row("elpais.com", rivals=("Holded",)), True),
        ({"where": "brand_missing"}, row("elpais.com", "quipu.com", rivals=("Holded",)), False),
        ({"where": "brand_missing"}, row("elpais.com", rivals=("Holded",), brand=True), False),
        ({"where": "brand_missing"}, row("elpais.com"), False),
        ({"where": "sourced"}, row(), False),
        ({"where": "sourced"}, row("elpais.com"), True),
        ({"site": "elpais.com"}, row("elpais.com"), True),
        ({"site": "elpais.com"}, row("cincodias.elpais.com"), False),
        ({"site": "elpais.com"}, row("www.elpais.com", branded=True), False),
        ({"kind": "editorial"}, row("cincodias.elpais.com"), True),
        ({"kind": "editorial"}, row("reddit.com"), False),
        ({"site": "elpais.com", "where": "brand_missing"}, row("reddit.com", rivals=("Holded",)), False),
    ],
)
def test_what_is_counted(wanted: dict[str, Any], answer: dict[str, Any], expected: bool) -> None:
    """The site, the kind, and where competitors stand alone; never an answer to a prompt that names the brand."""
    assert expected == SourceFilter(KINDS, **wanted).fits(answer)


def test_an_answer_that_is_not_read_counts_nowhere() -> None:
    """Nothing is known of it."""
    unread = {"branded": None, "brand_mentioned": None, "competitors_mentioned": None, "sources": None}
    wheres = ("sourced", "competitors_only", "brand_missing")
    assert [False] * 3 == [SourceFilter(KINDS, where=each).fits(unread) for each in wheres]  # type: ignore[arg-type]
