"""Names in rankings that no tracked entity holds: what answers list next to those that are tracked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_monitoring.analysis.rankings.items import Ranking, names_option
from llm_monitoring.analysis.rankings.options import PARTS, capitalised, folded
from llm_monitoring.analysis.rankings.phrases import CATEGORY

LONGEST_NAME = 60
AMOUNT = re.compile(r"\s+[$€£¥]?\s?\d+(?:[.,]\d+|\s?[€$£¥%円元원]).*")
EDGES = re.compile(r"^[\W_]+|[^\w+!]+$")


def unheld_names(rankings: Sequence[Ranking]) -> Iterator[str]:
    """The names of the items that no tracked entity holds, as they are written, one an item."""
    for ranking in rankings:
        for entry in ranking.entries:
            if not entry.holders and entry.first is None and names_option(entry):
                name = name_of(entry.label)
                if name:
                    yield name


def name_of(label: str) -> str | None:
    """The name that a label without a tracked name holds: its first part, or the last one after a category."""
    parts = [cleaned(part) for part in PARTS.split(label)]
    if len(parts) > 1 and (CATEGORY.match(folded(parts[0])) or not capitalised(parts[0])):
        parts.reverse()
    name = parts[0]
    return (
        name if 1 < len(name) <= LONGEST_NAME and capitalised(name) and any(char.isalpha() for char in name) else None
    )


def cleaned(part: str) -> str:
    """A part without marks around it, and without a price after it."""
    return EDGES.sub("", AMOUNT.sub("", " ".join(part[: 4 * LONGEST_NAME].split())))
