"""A crew for runs on several machines: worker processes, each with its output in a file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.nursery import Child, shared
from tests.integration.stage import Stage

SPREAD = {"LLM_DISTRIBUTE": "true", "LLM_LOG_LEVEL": "INFO"}


@dataclass
class Crew:
    """Schedulers and workers on one stage."""

    stage: Stage
    settings: dict[str, str] = field(default_factory=lambda: dict(SPREAD))
    started: list[Child] = field(default_factory=list)

    def worker(self, *arguments: str, **extra: str) -> Child:
        return self.launch("command", "worker", *arguments, extra=extra)

    def scheduler(self, *arguments: str, **extra: str) -> Child:
        return self.launch("daily", *arguments, extra=extra)

    def launch(self, program: str, *arguments: str, extra: dict[str, str]) -> Child:
        environment = self.stage.environment({**self.settings, **extra})
        self.started.append(shared().start(environment, *arguments, program=program))
        return self.started[-1]

    def said(self) -> str:
        return "\n".join(f"--- process {process.pid}\n{process.said()}" for process in self.started)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
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
def crewed(stage: Stage, **settings: str) -> Iterator[Crew]:
    """A crew that is sent home at the end."""
    crew = Crew(stage, {**SPREAD, **settings})
    try:
        yield crew
    finally:
        for process in crew.started:
            process.kill()
            process.wait()
