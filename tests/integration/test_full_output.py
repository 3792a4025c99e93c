"""Every program on an output that takes no more, in an environment that holds nothing but what the program needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import ONE_SDK, Environment, open_environment
from tests.fork_server import ROOT, fork_server

FULL = "error: standard output: No space left on device\n"
COMMAND = ("-m", "llm_monitoring")

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """An environment with a user and a project of two prompts."""
    with open_environment(database_url) as made:
        made.add_project(made.add_user("ana@example.com", ONE_SDK), ["Quipu 1", "Quipu 2"], ONE_SDK)
        yield made


def fill_started(environment: Environment, *arguments: str, **variables: str) -> tuple[int, str]:
    """Start a program on a full disk; return its exit code and standard error."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *arguments], env={**environment.variables(variables), "LLM_LOG_LEVEL": "INFO"}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=50,
        )  # fmt: skip
    return done.returncode, done.stderr


def fill(environment: Environment, program: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Fork a program onto a full disk; return its exit code and standard error."""
    extra = {**variables, "LLM_LOG_LEVEL": "INFO"}
    process = fork_server().start(environment.variables(extra), *arguments, program=program, stdout="/dev/full")
    return process.wait(), process.said()


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    "arguments",
    [
        (*COMMAND, "users", "list"),
        (str(ROOT / "daily_llm_monitoring_cron.py"), "--dry-run"),
        (str(ROOT / "weekly_model_check_cron.py"), "--help"),
        ("-m", "llm_monitoring.demo.server"),
    ],
    ids=lambda arguments: " ".join(Path(each).name for each in arguments),
)
def test_a_full_disk_is_one_line(environment: Environment, arguments: tuple[str, ...]) -> None:
    """An output that takes nothing more ends a program that the shell starts with exit code 1 and one line."""
    assert (1, FULL) == fill_started(environment, *arguments)


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("command", ("users", "list", "--json")),
        ("command", ("projects", "show", "1")),
        ("command", ("export", "results", "--project", "1")),
        ("command", ("--help",)),
        ("command", ("worker", "--once")),
        ("weekly", ("--dry-run",)),
    ],
    ids=str,
)
def test_a_full_disk_is_one_line_for_every_program(
    environment: Environment, program: str, arguments: tuple[str, ...]
) -> None:
    """Commands of every kind, the worker and the weekly job, too."""
    assert (1, FULL) == fill(environment, program, *arguments)


@pytest.mark.ci
@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_paid_run_on_a_full_disk_is_finished(environment: Environment, form: str) -> None:
    """A run that cannot log asks, pays and stores all of its day; its exit code says that its log is missing."""
    assert (1, FULL) == fill(environment, "daily", LLM_LOG_FORMAT=form)
    assert 4 == environment.count("llm_monitoring_results")
    assert environment.billed() == environment.charged()
    assert [] == environment.audit().open_attempts
    assert ["completed"] == [
        row["status"] for row in environment.rows("SELECT status FROM llm_monitoring_analysis_runs")
    ]
