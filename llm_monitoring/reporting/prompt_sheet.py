"""The prompts of a project as a sheet that can be edited and imported again, with their tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llm_monitoring.db import Row
from llm_monitoring.reporting.sheets import csv_lines

FIELDS: Final = ("query", "language", "type", "tags", "active")


def prompt_sheet(rows: Iterable[Row]) -> bytes:
    """CSV with the titles that an import knows; what a spreadsheet would run has an apostrophe before it."""
    records = (
        {
            "query": row["query_text"],
            "language": row["language"],
            "type": row["query_type"],
            "tags": "|".join(row["tags"]),
            "active": row["is_active"],
        }
        for row in rows
    )
    return b"".join(csv_lines(FIELDS, records))
