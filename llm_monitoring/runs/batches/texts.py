"""What log and digest say of batches."""

from __future__ import annotations

from datetime import UTC

from llm_monitoring.runs.batches.records import Due


def out_text(due: Due) -> str:
    """How many answers are out in batches, and when the last of them is due."""
    when = due.due_at.astimezone(UTC)
    return f"{due.answers} respuesta(s) aún fuera en lotes, a más tardar a las {when:%H:%M} UTC del {when:%Y-%m-%d}"
