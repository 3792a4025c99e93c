"""Words that messages of all parts share: how this program is started, and numbers with their nouns."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

COMMAND: Final = "llm-monitoring"  # as pip installs it


def program_name(started: str) -> str:
    """How the command line is called in help and hints, for a program that was started by the path `started`."""
    return COMMAND if Path(started).name == COMMAND else "python -m llm_monitoring"


PROGRAM: Final = program_name(next(iter(sys.argv), ""))


def python_command() -> str:
    """How this Python is started from here: by its name if that finds it, by its path in this folder, or in full."""
    running = Path(sys.executable)
    if (found := shutil.which("python")) and Path(found).absolute() == running.absolute():
        return "python"
    try:
        return shlex.quote(str(running.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(running))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: “1 answer was”, “2 answers were”; by default the plural has an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
