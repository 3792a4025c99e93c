"""Named points between the steps of a run: fault tests stop the process there; nothing in production acts on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Point = Literal[
    "run_opened",
    "recovery_step",
    "recovery_stepped",
    "reserve",
    "reserved",
    "sent",
    "replied",
    "receipt_kept",
    "settling",
    "settled",
    "failing",
    "failed",
    "giving_up",
    "gave_up",
    "snapshot",
    "snapshot_written",
    "finishing",
    "finished",
]

hook: Callable[[Point], None] | None = None  # set by code alone: no variable, option or file arms it


def reach(point: Point) -> None:
    """Say that the process is at `point`."""
    if hook is not None:
        hook(point)
