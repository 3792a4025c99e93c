"""The daily run against the SDKs alone: both in turn on one server, and the medians of the pairs' ratios.

The comparison is strict: importing and opening the SDKs is part of the run's figures and not of the SDKs' own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench import bare, daily
from bench.environment import database, provider
from bench.pairs import compared

MEASURES_WITHOUT_LATENCY: Final = ("cpu_ms_per_task", "tasks_per_s")
MEASURES: Final = ("efficiency", *MEASURES_WITHOUT_LATENCY)


@dataclass(frozen=True, slots=True)
class Setting:
    """What both sides are measured with."""

    latency_ms: float
    workers: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side took. `efficiency` is 0 on a server without latency, which has no ideal time.

    `opening_cpu_s`: what importing and opening the SDKs took, if it is not part of the other figures.
    """

    efficiency: float
    cpu_ms_per_task: float
    tasks_per_s: float
    correct: bool
    opening_cpu_s: float | None = None

    def __str__(self) -> str:
        efficiency = f"efficiency {self.efficiency}, " if self.efficiency else ""
        return f"{efficiency}{self.cpu_ms_per_task} ms of CPU a task, {self.tasks_per_s} tasks a second"


@dataclass(frozen=True, slots=True)
class Pair:
    """The SDKs alone, and right after them the daily run on the same server."""

    bare: Measured
    run: Measured


def compare(latencies_ms: Sequence[float], workers: int, tasks: int, pairs: int) -> dict[str, Any]:
    """Measure the pairs of each latency in turn; return the medians of their ratios, and all pairs."""
    found, correct = [], True
    for latency_ms in latencies_ms:
        setting = Setting(latency_ms, workers, tasks)
        measured = [measure_pair(setting, f"{number + 1}/{pairs}") for number in range(pairs)]
        correct = correct and all(pair.bare.correct and pair.run.correct for pair in measured)
        measures = MEASURES if latency_ms else MEASURES_WITHOUT_LATENCY
        medians = {
            name: compared([(getattr(pair.run, name), getattr(pair.bare, name)) for pair in measured])
            for name in measures
        }
        found.append(asdict(setting) | {"run_to_bare": medians, "pairs": [asdict(pair) for pair in measured]})
    return {"against_bare": found, "correct": correct}


def measure_pair(setting: Setting, number: str) -> Pair:
    """Ask the same prompts by the SDKs alone and by a daily run."""
    with tempfile.TemporaryDirectory() as folder, database() as url:
        tasks = daily.fill(url, setting.tasks)
        with provider(setting.latency_ms, Path(folder) / "bill.jsonl") as address:
            own = daily.environment(url, address, setting.workers)
            asked = bare.written_questions(url, own)
            alone = measure_side(setting, tasks, number, "bare SDKs", own, ["--bare-child"], asked)
            run = measure_side(setting, tasks, number, "daily run", own, ["--child"])
    return Pair(alone, run)


def measure_side(
    setting: Setting, tasks: int, number: str, name: str, own: dict[str, str], options: list[str], given: str = ""
) -> Measured:
    """Run one side in a process of its own, with a line on standard error before and after it."""
    ideal = tasks * setting.latency_ms / 1000 / setting.workers
    least = f", {ideal:.0f} s at least" if ideal else ""
    say(f"{setting.latency_ms:g} ms, pair {number}: {name}, {tasks} tasks{least} ...")
    started = time.monotonic()
    found = daily.run_child(own, [*options, "--workers", str(setting.workers)], given)
    measured = Measured(
        efficiency=round(ideal / found["wall_s"], 4),
        cpu_ms_per_task=round(1000 * found["cpu_s"] / tasks, 3),
        tasks_per_s=round(tasks / found["wall_s"], 1),
        correct=found["answers"] == tasks and found.get("in_balance", True),
        opening_cpu_s=found.get("opening_cpu_s"),
    )
    say(f"    {time.monotonic() - started:.0f} s: {measured}")
    return measured


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
