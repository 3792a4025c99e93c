"""Words that messages of all parts share: the program's name, and numbers with their nouns."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

COMMAND: Final = "llm-monitoring"  # as pip installs it


def program_name(started: str) -> str:
    """Return the name of the command line for help and hints, from the path that it was started by."""
    return COMMAND if Path(started).name == COMMAND else "python -m llm_monitoring"


PROGRAM: Final = program_name(next(iter(sys.argv), ""))


def python_command() -> str:
    """Return the command for this Python: `python` if that is this one, or else its relative or absolute path."""
    running = Path(sys.executable)
    if (default := shutil.which("python")) and Path(default).absolute() == running.absolute():
        return "python"
    try:
        return shlex.quote(str(running.relative_to(Path.cwd())))
    except (ValueError, OSError):  # elsewhere, or the working directory was deleted
        return shlex.quote(str(running))


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, such as “1 answer” or “2 answers”; by default the plural has an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
