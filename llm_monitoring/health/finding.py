"""What an examination finds: one line a thing looked at, in green, yellow or red, with how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = Literal["green", "yellow", "red"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at. `mend` says what to do, where there is something to do."""

    subject: str
    colour: Colour
    message: str
    mend: str = ""


def green(subject: str, message: str) -> CheckResult:
    return CheckResult(subject, "green", message)


def yellow(subject: str, message: str, mend: str = "") -> CheckResult:
    return CheckResult(subject, "yellow", message, mend)


def red(subject: str, message: str, mend: str) -> CheckResult:
    return CheckResult(subject, "red", message, mend)
