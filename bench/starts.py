"""Starts: the processor time of commands next to a bare client's, and how soon a run makes its first call."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg2

from bench.daily import environment, fill
from bench.environment import ROOT, database, provider
from bench.pairs import measured_in_turn

COMMANDS: Final = ("--help", "projects --help", "projects list", "budget show", "runs list", "doctor")
# What any command line on this database needs: options, a connection, one statement.
BARE_COMMAND: Final = (
    "import os, click, psycopg2\n"
    "with psycopg2.connect(os.environ['DATABASE_URL']) as connection, connection.cursor() as cursor:\n"
    "    cursor.execute('SELECT id, name FROM llm_monitoring_projects')\n"
    "    click.echo(cursor.fetchall())\n"
)
# What any program that asks OpenAI needs before its first call.
BARE_SDK: Final = "import openai; openai.OpenAI(api_key='sk-bench')"
TASKS: Final = 100


def main() -> None:
    """Measure commands and the first call in pairs, print one JSON line."""
    options = read_options()
    with database() as url:
        fill(url, TASKS)
        found = {
            "commands_cpu": {name: command(url, name, options.pairs) for name in COMMANDS},
            "first_call_wall": first_call(url, options.pairs),
        }
    print(json.dumps(found))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench starts", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="how often each is measured (default 5)")
    return parser.parse_args()


def command(url: str, line: str, pairs: int) -> dict[str, Any]:
    """The processor seconds of a command, and their ratio to those of a bare client of the same database."""
    own = {"DATABASE_URL": url}
    ours = partial(cpu_seconds, ["-m", "llm_monitoring", *line.split()], own)
    return measured_in_turn(ours, partial(cpu_seconds, ["-c", BARE_COMMAND], own), pairs)


def cpu_seconds(arguments: Sequence[str], own: Mapping[str, str]) -> float:
    """User and system time of a Python process, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(arguments, own)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run(arguments: Sequence[str], own: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **own},
        check=False,  # doctor exits with 1 for what it finds
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def first_call(url: str, pairs: int) -> dict[str, Any]:
    """Seconds from the start of the daily job to its first call, and their ratio to importing and opening one SDK."""
    return measured_in_turn(partial(seconds_to_first_call, url), seconds_to_sdk, pairs)


def seconds_to_first_call(url: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        bill = Path(folder) / "bill.jsonl"
        with provider(0, bill) as address:
            started = time.time()
            run(["daily_llm_monitoring_cron.py"], environment(url, address, workers=10))
        first = json.loads(bill.read_text().split("\n", 1)[0])["at"]
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE llm_monitoring_results, llm_call_attempts CASCADE")  # the day is open again
    return datetime.fromisoformat(first).timestamp() - started


def seconds_to_sdk() -> float:
    started = time.time()
    run(["-c", BARE_SDK], {})
    return time.time() - started
