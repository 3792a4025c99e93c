"""The demo as `make web-demo` serves it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fork_server import ROOT


@contextmanager
def served_demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and the variables that it prints for another shell."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LLM_DATA_DIR": str(folder), "PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "llm_monitoring", "--demo", "web"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            printed: dict[str, str] = {}
            for line in process.stdout:
                name, is_assigned, text = line.rstrip().partition("=")
                if is_assigned and name in ("API", "TOKEN"):
                    printed[name] = text
                if len(printed) == 2:
                    break
            yield process, printed
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=60)
            finally:
                process.kill()
