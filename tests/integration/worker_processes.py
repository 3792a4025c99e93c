"""Coordinators and workers of runs on several machines, as processes of their own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.environment import Environment
from tests.fork_server import Child

SPREAD = {"LLM_DISTRIBUTE": "true", "LLM_LOG_LEVEL": "INFO"}


@dataclass
class WorkerProcesses:
    """Coordinators and workers on one environment."""

    environment: Environment
    settings: dict[str, str] = field(default_factory=lambda: dict(SPREAD))
    started: list[Child] = field(default_factory=list)

    def worker(self, *arguments: str, **extra: str) -> Child:
        return self.launch("command", "worker", *arguments, extra=extra)

    def coordinator(self, *arguments: str, **extra: str) -> Child:
        return self.launch("daily", *arguments, extra=extra)

    def launch(self, program: str, *arguments: str, extra: dict[str, str]) -> Child:
        process = self.environment.start(*arguments, extra={**self.settings, **extra}, program=program)
        self.started.append(process)
        return process

    def said(self) -> str:
        return "\n".join(f"--- process {process.pid}\n{process.said()}" for process in self.started)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until a condition holds; raises AssertionError with the output of all processes."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def bills(self) -> Counter[tuple[str, str]]:
        """How often each prompt was billed by each provider."""
        return Counter((charge.provider, charge.prompt) for charge in self.environment.server.bill.lines)

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.environment.rows("SELECT state FROM llm_call_attempts"))

    def in_chunks(self, condition: str = "TRUE") -> int:
        return self.environment.count(f"llm_monitoring_chunks WHERE {condition}")


@contextmanager
def open_worker_processes(environment: Environment, **settings: str) -> Iterator[WorkerProcesses]:
    """Give a starter of processes, which ends them all."""
    processes = WorkerProcesses(environment, {**SPREAD, **settings})
    try:
        yield processes
    finally:
        for process in processes.started:
            process.kill()
            process.wait()
