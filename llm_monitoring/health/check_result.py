"""The result of a check: what it looked at, green, yellow or red, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = Literal["green", "yellow", "red"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at. `fix` is empty if there is nothing to do."""

    subject: str
    colour: Colour
    message: str
    fix: str = ""


def green(subject: str, message: str) -> CheckResult:
    return CheckResult(subject, "green", message)


def yellow(subject: str, message: str, fix: str = "") -> CheckResult:
    return CheckResult(subject, "yellow", message, fix)


def red(subject: str, message: str, fix: str) -> CheckResult:
    return CheckResult(subject, "red", message, fix)
