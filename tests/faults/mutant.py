"""A fault of ours as edits of the code, and the test that must see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PACKAGE: Final = "llm_monitoring/"


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file; `old` stands there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault of ours, and the test that must see it."""

    name: str
    test: str
    edits: tuple[Edit, ...]
