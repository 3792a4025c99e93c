"""One day with several worker processes: its speed, and its ledger after workers are killed."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.daily import environment, fill
from bench.environment import ROOT, database, provider
from bench.pairs import measured_in_turn
from llm_monitoring.db.database import Database
from llm_monitoring.ledger.budget import Budget

SCHEDULER = [sys.executable, "daily_llm_monitoring_cron.py"]
WORKER = [sys.executable, "-m", "llm_monitoring", "worker"]
Bill = Counter[tuple[str, str]]
Process = subprocess.Popen[bytes]


def main() -> int:
    """Run a coordinator and its workers, kill some, compare the bill with the ledger, print one JSON line."""
    options = read_options()
    if options.against_one:
        found = against_one(options)
        print(json.dumps(found))
        return 0 if all(found["correct"]) else 1
    report = measure(options, options.machines, options.tasks)
    print(json.dumps(report))
    return 0 if is_correct(report) else 1


def against_one(options: argparse.Namespace) -> dict[str, Any]:
    """How many times as much several machines ask as one that has as many tasks to itself, in turn."""
    reports: list[dict[str, Any]] = []

    def asked_per_s(machines: int) -> float:
        reports.append(measure(options, machines, options.tasks * machines // options.machines))
        return float(reports[-1]["asked_per_s"])

    found = measured_in_turn(lambda: asked_per_s(options.machines), lambda: asked_per_s(1), options.pairs)
    return {**found, "machines": options.machines, "correct": list(map(is_correct, reports)), "reports": reports}


def is_correct(report: dict[str, Any]) -> bool:
    return report["audit"] and report["answers"] == report["tasks"] and not report["twice_asked"]


def measure(options: argparse.Namespace, machines: int, wanted: int) -> dict[str, Any]:
    """Run one day of at least `wanted` tasks on so many machines, and compare the bill with the ledger."""
    with tempfile.TemporaryDirectory() as folder, database() as url:
        bill = Path(folder) / "bill.jsonl"
        tasks = fill(url, wanted)
        with provider(options.latency_ms, bill) as address, Database(url) as db:
            own = environment(url, address, options.workers) | {
                "LLM_DISTRIBUTE": "true",
                "LLM_CHUNK_TASKS": str(options.chunk_tasks),
            }
            with crew(own, machines) as workers:
                wall, killed, started = run_day(db, own, workers, tasks, options.kill)
            lines = [json.loads(line) for line in bill.read_text().splitlines()]
            report = proof(db, lines, tasks)
    calls = [datetime.fromisoformat(line["at"]).timestamp() for line in lines]
    latency = options.latency_ms / 1000
    shape = {
        "tasks": tasks,
        "latency_ms": options.latency_ms,
        "machines": machines,
        "workers": options.workers,
        "killed": killed,
        "ideal_s": round(tasks * latency / (options.workers * machines), 3),
        "wall_s": round(wall, 3),
        "tasks_per_s": round(tasks / wall, 1),
        "first_call_s": round(calls[0] - started, 3),
        "asked_per_s": round(tasks / (max(calls) - min(calls) + latency), 3),
    }
    return shape | report


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench workers", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000, help="prompts times providers (default 2000)")
    parser.add_argument("--latency-ms", type=float, default=200, help="how long every answer takes (default 200)")
    parser.add_argument("--workers", type=int, default=10, help="calls at the same time on each machine (default 10)")
    parser.add_argument("--machines", type=int, default=4, help="worker processes (default 4)")
    parser.add_argument("--kill", type=int, default=0, help="how many of them are killed on the way (default 0)")
    parser.add_argument("--chunk-tasks", type=int, default=500, help="tasks that a worker takes at a time")
    parser.add_argument(
        "--against-one",
        action="store_true",
        help="the same with one machine and its share of the tasks, in turn: the ratio of what they ask a second",
    )
    parser.add_argument("--pairs", type=int, default=1, help="how many pairs --against-one measures (default 1)")
    return parser.parse_args()


@contextmanager
def crew(own: dict[str, str], machines: int) -> Iterator[list[Process]]:
    """Start worker processes, and stop them at the end."""
    started = [start(WORKER, own) for _ in range(machines)]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def start(command: Sequence[str], own: dict[str, str]) -> Process:
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def run_day(
    db: Database, own: dict[str, str], workers: list[Process], tasks: int, kills: int
) -> tuple[float, int, float]:
    """Run the coordinator to its end, and kill a worker after each further part of the day."""
    began, started, killed = time.perf_counter(), time.time(), 0
    scheduler = start(SCHEDULER, own)
    while scheduler.poll() is None:
        if killed < kills and answered(db) >= tasks * (killed + 1) / (kills + 2):
            workers[killed].kill()
            killed += 1
        time.sleep(0.1)
    return time.perf_counter() - began, killed, started


def answered(db: Database) -> int:
    row = db.one("SELECT coalesce(sum(answered), 0)::int AS tasks FROM llm_monitoring_chunks")
    return int(row["tasks"]) if row else 0


def proof(db: Database, lines: Sequence[dict[str, Any]], tasks: int) -> dict[str, Any]:
    """Compare the provider's bill with the ledger.

    The calls of a killed worker are unknown and may be asked once more (`asked_again`); `twice_asked` counts any other
    task that the provider billed more than once.
    """
    bill: Bill = Counter((line["provider"], line["prompt"]) for line in lines)
    doubts: Bill = Counter(
        (row["task_provider"], hashlib.sha256(row["query_text"].encode()).hexdigest())
        for row in db.all(
            "SELECT a.task_provider, q.query_text FROM llm_call_attempts a "
            "JOIN llm_monitoring_queries q ON q.id = a.query_id WHERE a.state = 'unknown'"
        )
    )
    again = Counter({task: number - 1 for task, number in bill.items() if number > 1})
    audit = Budget(db).audit()
    return {
        "answers": count(db, "llm_monitoring_results"),
        "chunks": count(db, "llm_monitoring_chunks"),
        "taken_over": count(db, "llm_monitoring_chunks WHERE losses > 0"),
        "billed": len(lines),
        "in_doubt": doubts.total(),
        "asked_again": (again & doubts).total(),
        "twice_asked": (again - doubts).total(),
        "never_asked": tasks - len(bill),
        "runs": count(db, "llm_monitoring_analysis_runs WHERE status = 'completed'"),
        "audit": audit.clean and not audit.open_attempts,
    }


def count(db: Database, what: str) -> int:
    row = db.one(f"SELECT count(*) AS n FROM {what}")
    assert row is not None
    return int(row["n"])
