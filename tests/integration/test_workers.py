"""The same daily run on several machines: shared, killed, stopped, within one budget; and none of it by default."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from tests.integration.crew import crewed
from tests.integration.stage import ONE_SDK, ROOT, Stage, staged

TODAY = date(2026, 11, 23)
NO_SENTIMENT = {"LLM_SENTIMENT": "false"}


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    """A stage whose provider takes a fifth of a second."""
    with staged(database_url, latency_ms=200) as made:
        yield made


def fill(stage: Stage, projects: int, prompts: int, users: int = 2, budget: str = "100.00") -> list[int]:
    """Projects of users in turn; each prompt is one of a kind. A chunk of LLM_CHUNK_TASKS=1 is one project."""
    owners = [stage.add_user(f"user{number}@example.com", ONE_SDK, budget) for number in range(users)]
    for number in range(projects):
        texts = [f"¿Es Quipu bueno para el caso {number}-{n}?" for n in range(prompts)]
        stage.add_project(owners[number % users], texts, ONE_SDK, name=f"P{number}")
    return owners


def in_balance(stage: Stage) -> bool:
    audit = stage.audit()
    return audit.clean and not audit.open_attempts and stage.charged() >= stage.billed()


def test_two_workers_share_a_day(stage: Stage) -> None:
    """Every task and every sentiment is asked once, by both; the ledger is the bill; the run is closed once."""
    fill(stage, projects=6, prompts=8)
    with crewed(stage, LLM_CHUNK_TASKS="1") as crew:
        workers = [crew.worker(), crew.worker()]
        code = crew.scheduler().wait()
        assert (0, [0, 0]) == (code, [worker.end() for worker in workers]), crew.said()
        assert "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY" in crew.started[2].said()
        assert ({"settled"}, 96) == (set(crew.states()), stage.count("llm_monitoring_results"))
        assert 2 == len({row["worker"] for row in stage.rows("SELECT worker FROM llm_monitoring_chunks")})
    assert (in_balance(stage), stage.billed()) == (True, stage.charged())
    assert 0 == stage.count("llm_monitoring_results WHERE sentiment_status = 'pending'")
    assert 12 == stage.count("llm_monitoring_snapshots WHERE branded_total_queries = 8")
    (run,) = stage.rows("SELECT status, valid_results, failed_tasks, pending_tasks FROM llm_monitoring_analysis_runs")
    assert {"status": "completed", "valid_results": 96, "failed_tasks": 0, "pending_tasks": 0} == run
    assert 0 == stage.count("llm_queue.procrastinate_jobs")


def test_a_killed_workers_chunk_is_taken_over(stage: Stage) -> None:
    """`kill -9` in the middle of a chunk: nothing is answered twice, no receipt lost, only calls in doubt repeated."""
    fill(stage, projects=4, prompts=20)
    with crewed(stage, LLM_CHUNK_TASKS="1") as crew:
        victim, scheduler = crew.worker(), crew.scheduler()
        crew.until(lambda: stage.count("llm_monitoring_results") >= 15)
        victim.end(signal.SIGKILL)
        crew.worker()
        assert 0 == scheduler.wait(50), crew.said()
        assert ("💀 Trabajador" in scheduler.said(), 1) == (True, crew.in_chunks("losses > 0"))
    assert (160, 0) == (stage.count("llm_monitoring_results"), stage.count("llm_monitoring_failed_tasks"))
    assert 0 == stage.count("llm_monitoring_results WHERE sentiment_status = 'pending'")
    doubtful = crew.states()["unknown"]
    assert (True, True) == (0 < doubtful <= 10, in_balance(stage))
    answered = len(stage.server.bill.lines) - stage.count("llm_call_attempts WHERE state = 'settled'")
    assert 0 <= answered <= doubtful
    assert 0 == stage.count(
        "llm_call_attempts a LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id "
        "WHERE a.state = 'settled' AND r.attempt_id IS NULL"
    )


def test_a_killed_scheduler_is_replaced_without_paying_twice(stage: Stage) -> None:
    """The next start waits until the dead run's worker has let its calls end, and asks each of the others once."""
    fill(stage, projects=4, prompts=20)
    with crewed(stage, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as crew:
        worker, scheduler = crew.worker(), crew.scheduler()
        crew.until(lambda: stage.count("llm_monitoring_results") >= 15)
        scheduler.end(signal.SIGKILL)
        second = crew.scheduler()
        assert (0, 0) == (second.wait(50), worker.end()), crew.said()
        assert ("⏳ Se espera" in second.said(), {"settled"}) == (True, set(crew.states()) - {"void"}), crew.said()
    assert (160, 160) == (stage.count("llm_monitoring_results"), len(stage.server.bill.lines))
    assert (in_balance(stage), 0) == (True, crew.in_chunks("state <> 'done'"))
    statuses = [row["status"] for row in stage.rows("SELECT status FROM llm_monitoring_analysis_runs ORDER BY id")]
    assert ["dead", "completed"] == statuses


def test_a_stopped_worker_gives_its_chunk_back(stage: Stage) -> None:
    """SIGTERM: calls that are out end and count, the rest of the chunk goes to another worker at once."""
    fill(stage, projects=1, prompts=60)
    with crewed(stage, **NO_SENTIMENT) as crew:
        first, scheduler = crew.worker(), crew.scheduler()
        crew.until(lambda: stage.count("llm_monitoring_results") >= 20)
        assert (0, 1) == (first.end(), crew.in_chunks("state = 'waiting' AND answered >= 20")), crew.said()
        assert 1 == stage.count("llm_queue.procrastinate_jobs WHERE status = 'todo'")
        second = crew.worker()
        assert (0, 0) == (scheduler.wait(), second.end()), crew.said()
        assert ("lo que queda pasa a otro" in first.said(), 0) == (True, crew.in_chunks("losses > 0"))
        assert {1} == set(crew.bills().values())
    assert (120, {"settled": 120}) == (stage.count("llm_monitoring_results"), crew.states())


def test_a_stopped_scheduler_calls_its_workers_back(stage: Stage) -> None:
    """SIGTERM at the scheduler: nothing more is asked, the run is closed with warnings, workers wait for the next."""
    fill(stage, projects=4, prompts=20)
    with crewed(stage, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as crew:
        worker, scheduler = crew.worker(), crew.scheduler()
        crew.until(lambda: stage.count("llm_monitoring_results") >= 15)
        assert 1 == scheduler.end()
        assert ("COMPLETED WITH WARNINGS" in scheduler.said(), 0) == (True, crew.in_chunks("state <> 'done'"))
        (run,) = stage.rows("SELECT status, valid_results, pending_tasks, message FROM llm_monitoring_analysis_runs")
        assert (run["status"], run["message"]) == ("warnings", "signal")
        assert (160, run["valid_results"]) == (
            run["valid_results"] + run["pending_tasks"],
            stage.count("llm_monitoring_results"),
        )
        assert (0, 0) == (crew.scheduler().wait(), worker.end()), crew.said()
    assert (160, 160, True) == (
        stage.count("llm_monitoring_results"),
        len(stage.server.bill.lines),
        in_balance(stage),
    )


def test_two_workers_fill_one_budget_exactly(stage: Stage) -> None:
    """What one worker reserves keeps the other waiting: nothing that fits is given up, nothing goes above the limit."""
    user = stage.add_user("a@example.com", ["openai"], budget="0.06")
    for number in range(4):
        prompts = [f"¿Es Quipu bueno para el caso {number}-{n}?" for n in range(15)]
        stage.add_project(user, prompts, ["openai"], name=f"P{number}")
    with crewed(stage, LLM_CHUNK_TASKS="1", LLM_MAX_WORKERS="3", **NO_SENTIMENT) as crew:
        workers = [crew.worker(), crew.worker()]
        assert (0, [0, 0]) == (crew.scheduler().wait(50), [worker.end() for worker in workers]), crew.said()
    blocked = stage.count("llm_monitoring_failed_tasks WHERE reason = 'budget'")
    answered = stage.count("llm_monitoring_results")
    assert (60, True) == (answered + blocked, 0 < blocked < 60), crew.said()
    ceiling = stage.rows("SELECT max(ceiling_usd) AS usd FROM llm_call_attempts")[0]["usd"]
    assert 0 <= Decimal("0.06") - stage.spent(user) < ceiling, crew.said()
    assert (in_balance(stage), stage.billed()) == (True, stage.spent(user))
    assert 2 == len({row["worker"] for row in stage.rows("SELECT worker FROM llm_monitoring_chunks")})


def test_a_worker_with_other_keys_takes_nothing(stage: Stage) -> None:
    """A machine that is set up otherwise says which variables, ends with 1, and leaves the day to the others."""
    fill(stage, projects=1, prompts=4)
    with crewed(stage) as crew:
        stranger = crew.worker(LLM_MAX_SEARCHES="5", OPENAI_API_KEY="sk-proj-other-000000000000000000")
        scheduler = crew.scheduler()
        assert 1 == stranger.wait(), crew.said()
        assert "error: LLM_MAX_SEARCHES, OPENAI_API_KEY: not what the daily cron has" in stranger.said()
        assert (0, 1) == (stage.count("llm_call_attempts"), crew.in_chunks("state = 'waiting'"))
        crew.worker()
        assert (0, 8) == (scheduler.wait(), stage.count("llm_monitoring_results")), crew.said()


def test_once_ends_with_the_queue(stage: Stage) -> None:
    """`worker --once` does what is in line and ends; with nothing in line it ends at once."""
    fill(stage, projects=2, prompts=4)
    with crewed(stage, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as crew:
        assert 0 == crew.worker("--once").wait()
        scheduler = crew.scheduler()
        crew.until(lambda: "📦 2 tramo(s)" in scheduler.said())
        assert (0, 0) == (crew.worker("--once").wait(), scheduler.wait()), crew.said()
    assert 16 == stage.count("llm_monitoring_results")


def python(stage: Stage, code: str, **extra: str) -> tuple[int, str]:
    """Run a line of Python with the job's environment."""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=stage.environment(extra), cwd="/", text=True, timeout=50,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    "start",
    ["from llm_monitoring.jobs.daily import main; sys.exit(main([]))",
     "from llm_monitoring.cli.root import root; root.main(['worker'])"],
    ids=["cron", "worker"],
)  # fmt: skip
@pytest.mark.parametrize("package", ["procrastinate", "psycopg", "psycopg_pool"])
def test_a_missing_package_is_named(stage: Stage, start: str, package: str) -> None:
    """Without the engine both sides say which file to install from, before any call, and end with 1."""
    fill(stage, projects=1, prompts=1)
    code, output = python(stage, f"import sys; sys.modules[{package!r}] = None; {start}", LLM_DISTRIBUTE="true")
    assert ("pip install -r requirements-workers.txt" in output, "Traceback" in output) == (True, False), output
    assert (1, 0) == (code, stage.count("llm_call_attempts"))


def test_one_machine_needs_none_of_it(stage: Stage) -> None:
    """By default a run imports no engine, makes no queue and no chunk."""
    fill(stage, projects=1, prompts=2)
    told = "print('engine:', sorted({'procrastinate', 'psycopg', 'asgiref'} & set(sys.modules)))"
    code, output = python(stage, f"import sys; from llm_monitoring.jobs.daily import main; main([]); {told}")
    assert (0, "engine: []") == (code, output.splitlines()[-1]), output
    found = stage.rows("SELECT to_regclass('llm_queue.procrastinate_jobs') AS queue")
    assert ([{"queue": None}], 0, 4) == (
        found,
        stage.count("llm_monitoring_chunks"),
        stage.count("llm_monitoring_results"),
    )


def test_the_requirements_of_workers_stand_apart() -> None:
    """What only workers need is pinned in a file of its own."""
    pins = (ROOT / "requirements-workers.txt").read_text(encoding="utf-8").splitlines()
    alone = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert {"procrastinate", "psycopg", "psycopg-binary", "psycopg-pool"} == {
        line.partition("==")[0] for line in pins if "==" in line
    }
    assert ("-r requirements.txt" in pins, "procrastinate" in alone, "psycopg==" in alone) == (True, False, False)
