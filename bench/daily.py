"""The whole daily run: its time compared with the provider's latency, and the cost of each task."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from bench.environment import ROOT, database, peak_rss_mb, provider
from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import open_app, schedule_day
from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.runs import daily
from llm_monitoring.settings.fields import load_settings

PROMPTS_PER_PROJECT = 50


def main() -> int:
    """Fill a database, run the day in a process of its own, print one JSON line."""
    options = read_options()
    if options.child or options.bare_child:
        print(json.dumps(run_day() if options.child else import_module("bench.bare").run_bare(options.workers)))
        return 0
    if options.against_bare:
        latencies = [500.0, 0.0] if options.latency_ms is None else [options.latency_ms]
        compare = import_module("bench.against_bare").compare
        compared = compare(latencies, options.workers, options.tasks, options.pairs)
        print(json.dumps(compared))
        return 0 if compared["correct"] else 1
    report = measure(options.tasks, 500.0 if options.latency_ms is None else options.latency_ms, options.workers)
    print(json.dumps(report))
    return 0 if report["in_balance"] and report["answers"] == report["tasks"] else 1


def measure(wanted: int, latency_ms: float, workers: int) -> dict[str, Any]:
    """Run one day of at least `wanted` tasks and return its figures."""
    with tempfile.TemporaryDirectory() as folder, database() as url:
        bill = Path(folder) / "bill.jsonl"
        tasks = fill(url, wanted)
        with provider(latency_ms, bill) as address:
            started = time.time()
            found = run_child(environment(url, address, workers), ["--child"])
        first = datetime.fromisoformat(json.loads(bill.read_text().split("\n", 1)[0])["at"]).timestamp()
    ideal = tasks * latency_ms / 1000 / workers
    return {
        "tasks": tasks,
        "latency_ms": latency_ms,
        "workers": workers,
        "ideal_s": round(ideal, 3),
        "wall_s": round(found["wall_s"], 3),
        "efficiency": round(ideal / found["wall_s"], 4),
        "tasks_per_s": round(tasks / found["wall_s"], 1),
        "cpu_ms_per_task": round(1000 * found["cpu_s"] / tasks, 3),
        "peak_rss_mb": round(found["peak_rss_mb"], 1),
        "statements_per_task": round(found["statements"] / tasks, 3),
        "commits_per_task": round(found["commits"] / tasks, 3),
        "first_call_s": round(first - started, 3),
        "in_balance": found["in_balance"],
        "answers": found["answers"],
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench daily", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000, help="prompts times providers (default 2000)")
    parser.add_argument("--latency-ms", type=float, help="how long every answer takes (default 500)")
    parser.add_argument("--workers", type=int, default=10, help="calls at the same time (default 10)")
    parser.add_argument(
        "--against-bare",
        action="store_true",
        help="the same prompts by the SDKs alone and by the run, in turn: the medians of the ratios, at 500 ms and at "
        "0 ms (half an hour; or only at --latency-ms)",
    )
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs --against-bare measures (default 5)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare-child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def fill(url: str, tasks: int) -> int:
    """Create projects of two users with enough prompts for `tasks` tasks; return the number of tasks."""
    wanted = math.ceil(tasks / len(PROVIDERS))
    with Database(url) as db:
        users = [projects.add_user(db, f"bench{number}@example.com") for number in range(2)]
        for user in users:
            Budget(db).set_limits(user, Decimal(1_000_000), None)
        for number in range(math.ceil(wanted / PROMPTS_PER_PROJECT)):
            rivals = [Entity(name) for name in ("Holded", "Sage", "Billin")]
            new = projects.NewProject(users[number % 2], f"P{number}", Entity("Quipu"), "software", rivals)
            project_id = projects.add(db, new)
            share = min(PROMPTS_PER_PROJECT, wanted - number * PROMPTS_PER_PROJECT)
            prompts = [f"¿Qué programa de facturación conviene en el caso {number}-{n}?" for n in range(share)]
            projects.add_prompts(db, project_id, prompts)
    return wanted * len(PROVIDERS)


def environment(url: str, address: str, workers: int) -> dict[str, str]:
    """Return the environment of a run with this database and provider, with one call a task."""
    return {
        "DATABASE_URL": url,
        "LLM_KEYS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "LLM_MAX_WORKERS": str(workers),
        "LLM_SENTIMENT": "false",
        "OPENAI_BASE_URL": f"{address}/openai/v1",
        "ANTHROPIC_BASE_URL": f"{address}/anthropic",
        "GOOGLE_BASE_URL": f"{address}/google",
        "PERPLEXITY_BASE_URL": f"{address}/perplexity/v1",
        **{f"{name.upper()}_API_KEY": f"sk-bench-{name}-0000000000000000" for name in PROVIDERS},
    }


def run_child(own: dict[str, str], options: Sequence[str], given: str = "") -> dict[str, Any]:
    """Run this benchmark in a process of its own with these variables; `given` is its standard input."""
    command = [sys.executable, "-m", "bench", "daily", *options]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **own}, check=True, input=given, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def run_day() -> dict[str, Any]:
    """Run the day in this process and return its time, memory and statements."""
    settings = load_settings(dotenv=False)
    with open_app(settings) as app, counted_statements() as statements:
        commits = committed(app.db, wait=0.0)
        began, cpu = time.perf_counter(), time.process_time()
        report = daily.run_day(app, daily.RunRequest(schedule_day(settings)))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        return {
            "wall_s": wall,
            "cpu_s": cpu,
            "peak_rss_mb": peak_rss_mb(),
            "statements": statements[0],
            "commits": committed(app.db) - commits,
            "in_balance": report.in_balance,
            "answers": sum(project.answers for project in report.projects),
        }


@contextmanager
def counted_statements() -> Iterator[list[int]]:
    """Count the statements that pass through the package's database layer."""
    count, run = [0], Transaction.run

    def counting(self: Transaction, sql: str, params: Any) -> Any:
        count[0] += 1
        return run(self, sql, params)

    Transaction.run = counting  # type: ignore[method-assign]
    try:
        yield count
    finally:
        Transaction.run = run  # type: ignore[method-assign]


def committed(db: Database, wait: float = 1.1) -> int:
    time.sleep(wait)  # the counters of other sessions lag behind by up to a second
    row = db.one("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    assert row is not None
    return int(row["xact_commit"])
