"""Words that messages of all parts share: the program's name, and numbers with their nouns."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

COMMAND: Final = "llm-monitoring"  # as pip installs it
JOB_COMMANDS: Final = (f"{COMMAND}-daily", f"{COMMAND}-weekly")


def program_name(started: str) -> str:
    """Return the name of the command line for help and hints, from the path that it was started by."""
    return COMMAND if Path(started).name in (COMMAND, *JOB_COMMANDS) else "python -m llm_monitoring"


PROGRAM: Final = program_name(next(iter(sys.argv), ""))
JOB_FILES: Final = ("daily_llm_monitoring_cron.py", "weekly_model_check_cron.py")
DAILY_PROGRAM, WEEKLY_PROGRAM = JOB_COMMANDS if PROGRAM == COMMAND else JOB_FILES
DAILY: Final = DAILY_PROGRAM if PROGRAM == COMMAND else f"python {DAILY_PROGRAM}"


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
