"""Whether this Python can run the program: its version, and the packages that are installed for it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

OLDEST: Final = (3, 11)
CHECKOUT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENTS: Final = (".venv", "venv")


def imported(module: str) -> ModuleType:
    """Import what a program runs; a Python that cannot run it ends with one line that says which one can."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"error: this needs Python 3.11 or newer, and {sys.executable} is {found}: {cure(CHECKOUT)}")
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if not missing or missing == __name__.partition(".")[0]:
            raise
        sys.exit(f"error: {sys.executable} has no package {missing}: {cure(CHECKOUT)}")


def cure(checkout: Path) -> str:
    """Where the packages are, or how they get there."""
    pythons = [checkout / name / "bin" / "python" for name in ENVIRONMENTS]
    ready = next((str(python) for python in pythons if python.exists()), None)
    return f"use {ready}" if ready else "README.md says how to install what is needed"
