"""A crew for runs on several machines: worker processes, each with its output in a file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.stage import ROOT, Stage

SPREAD = {"LLM_DISTRIBUTE": "true", "LLM_LOG_LEVEL": "INFO"}


@dataclass
class Process:
    """One process of a run, and what it said."""

    popen: subprocess.Popen[str]
    output: Path

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self, seconds: float = 40.0) -> int:
        return self.popen.wait(seconds)


@dataclass
class Crew:
    """Schedulers and workers on one stage."""

    stage: Stage
    folder: Path
    settings: dict[str, str] = field(default_factory=lambda: dict(SPREAD))
    started: list[Process] = field(default_factory=list)

    def worker(self, *arguments: str, **extra: str) -> Process:
        return self.launch([sys.executable, "-m", "llm_monitoring", "worker", *arguments], extra)

    def scheduler(self, *arguments: str, **extra: str) -> Process:
        return self.launch([sys.executable, str(ROOT / "daily_llm_monitoring_cron.py"), *arguments], extra)

    def launch(self, command: list[str], extra: dict[str, str]) -> Process:
        output = self.folder / f"process-{len(self.started)}.log"
        with output.open("w") as target:
            popen = subprocess.Popen(
                command, env=self.stage.environment({**self.settings, **extra}), cwd="/", text=True, stdout=target,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.started.append(Process(popen, output))
        return self.started[-1]

    def said(self) -> str:
        return "\n".join(f"--- {process.popen.args!r}\n{process.said()}" for process in self.started)

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for something to be so; raises AssertionError with what everybody said."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def bills(self) -> Counter[tuple[str, str]]:
        """How often each prompt was billed by each provider."""
        return Counter((charge.provider, charge.prompt) for charge in self.stage.server.bill.lines)

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.stage.rows("SELECT state FROM llm_call_attempts"))

    def in_chunks(self, condition: str = "TRUE") -> int:
        return self.stage.count(f"llm_monitoring_chunks WHERE {condition}")


@contextmanager
def crewed(stage: Stage, folder: Path, **settings: str) -> Iterator[Crew]:
    """A crew that is sent home at the end."""
    crew = Crew(stage, folder, {**SPREAD, **settings})
    try:
        yield crew
    finally:
        for process in crew.started:
            process.popen.kill()
            process.popen.wait(20)
