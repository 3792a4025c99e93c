"""A user's choice that a month's budget lasts, and what is given up for it first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from llm_monitoring.db import Database, load
from llm_monitoring.domain import PACING_STEPS, PacingStep
from llm_monitoring.errors import Invalid

SQL = load("pacing")


@dataclass(frozen=True, slots=True)
class Pacing:
    """Whether a user's days are paced, since when, and the ladder: what is left out of a day, in this order."""

    on_since: datetime | None = None
    steps: tuple[PacingStep, ...] = PACING_STEPS

    @property
    def is_on(self) -> bool:
        return self.on_since is not None


def read_pacings(db: Database, user_id: int | None = None) -> dict[int, Pacing]:
    """The pacing of the users who have chosen one, or of one user."""
    rows = db.all(SQL.pacings, {"user_id": user_id})
    return {row["user_id"]: Pacing(row["on_since"], tuple(row["steps"])) for row in rows}


def pacing_of(db: Database, user_id: int) -> Pacing:
    """A user's pacing: off if the user has chosen nothing."""
    return read_pacings(db, user_id).get(user_id, Pacing())


def set_pacing(db: Database, user_id: int, *, is_on: bool, steps: Iterable[PacingStep]) -> None:
    """Turn a user's pacing on or off, with the order of its steps. It holds from the next day that is planned."""
    db.execute(SQL.set_pacing, {"user_id": user_id, "is_on": is_on, "steps": list(steps)})


def read_steps(names: Iterable[str]) -> tuple[PacingStep, ...]:
    """The steps of a ladder, in the given order; raises Invalid if one is unknown or there twice."""
    given = [name.strip() for name in names]
    known = [step for name in given for step in PACING_STEPS if step == name]
    if not given or len(known) < len(given) or len(set(known)) < len(known):
        choose = f"name some of {', '.join(PACING_STEPS)}, each once, in the order in which they are given up"
        raise Invalid("ladder", f"{','.join(given)!r} is no ladder: {choose}")
    return tuple(known)
