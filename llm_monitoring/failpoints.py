"""Named points between the steps of a run, at which fault tests stop the process; they do nothing in production."""

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

BatchPoint = Literal[
    "batch_opened",
    "batch_reserved",
    "batch_uploaded",
    "batch_posting",
    "batch_posted",
    "batch_running",
    "batch_cancelled",
    "batch_ended",
    "batch_receipt_kept",
    "batch_line_settled",
    "batch_settled",
    "batch_collected",
    "batch_forgotten",
]

hook: Callable[[Point | BatchPoint], None] | None = None  # set by tests only: no variable, option or file sets it


def reach(point: Point | BatchPoint) -> None:
    """Report to the hook, if there is one, that the process is at `point`."""
    if hook is not None:
        hook(point)
