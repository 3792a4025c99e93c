"""The same daily run on several machines: shared, killed, stopped, within one budget; and none of it by default."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring import edits
from llm_monitoring.app import App
from llm_monitoring.runs.day_plans import days_left
from llm_monitoring.settings import load_settings
from tests.environment import ONE_SDK, Environment, open_environment
from tests.fork_server import ROOT
from tests.integration.worker_processes import open_worker_processes

TODAY = date(2026, 11, 23)
NO_SENTIMENT = {"LLM_SENTIMENT": "false"}


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """An environment with a provider that takes a fifth of a second."""
    with open_environment(database_url, latency_ms=200) as made:
        yield made


def fill(environment: Environment, projects: int, prompts: int, users: int = 2, budget: str = "100.00") -> list[int]:
    """Add projects of users in turn, with different prompts. A chunk of LLM_CHUNK_TASKS=1 is one project."""
    owners = [environment.add_user(f"user{number}@example.com", ONE_SDK, budget) for number in range(users)]
    for number in range(projects):
        texts = [f"¿Es Quipu bueno para el caso {number}-{n}?" for n in range(prompts)]
        environment.add_project(owners[number % users], texts, ONE_SDK, name=f"P{number}")
    return owners


def in_balance(environment: Environment) -> bool:
    audit = environment.audit()
    return audit.clean and not audit.open_attempts and environment.charged() >= environment.billed()


@pytest.mark.ci
def test_two_workers_share_a_day(environment: Environment) -> None:
    """Every task and every sentiment is asked once, by both; the ledger is the bill; the run is closed once."""
    fill(environment, projects=6, prompts=8)
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1") as processes:
        workers = [processes.worker(), processes.worker()]
        code = processes.coordinator().wait()
        assert 0 == code, processes.said()
        assert [0, 0] == [worker.end() for worker in workers], processes.said()
        assert "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY" in processes.started[2].said()
        assert {"settled"} == set(processes.states())
        assert 96 == environment.count("llm_monitoring_results")
        assert 2 == len({row["worker"] for row in environment.rows("SELECT worker FROM llm_monitoring_chunks")})
    assert in_balance(environment)
    assert environment.billed() == environment.charged()
    assert 0 == environment.count("llm_monitoring_results WHERE sentiment_status = 'pending'")
    assert 12 == environment.count("llm_monitoring_snapshots WHERE branded_total_queries = 8")
    (run,) = environment.rows(
        "SELECT status, valid_results, failed_tasks, pending_tasks FROM llm_monitoring_analysis_runs"
    )
    assert {"status": "completed", "valid_results": 96, "failed_tasks": 0, "pending_tasks": 0} == run
    assert 0 == environment.count("llm_queue.procrastinate_jobs")


@pytest.mark.ci
def test_workers_ask_in_flex_and_at_full_price(environment: Environment) -> None:
    """Both ask in flex what the provider does not shed; the run says what that saved, and the ledger is the bill."""
    fill(environment, projects=4, prompts=6)
    environment.server.faults.set([{"match": {"tier": "flex", "every": 2}, "action": {"kind": "shed"}}])
    economy = {"LLM_ECONOMY": "openai:flex", "LLM_CHUNK_TASKS": "1", **NO_SENTIMENT}
    with open_worker_processes(environment, **economy) as processes:
        processes.worker()
        processes.worker()
        coordinator = processes.coordinator()
        assert 0 == coordinator.wait(), processes.said()
        assert "💶 Modo económico: " in coordinator.said()
    modes = environment.rows(
        "SELECT llm_provider, mode, count(*) AS n FROM llm_monitoring_results GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert [("openai", "flex"), ("openai", "standard"), ("perplexity", "standard")] == [
        (row["llm_provider"], row["mode"]) for row in modes
    ]
    assert 48 == sum(row["n"] for row in modes)
    assert environment.billed() == environment.charged()
    assert in_balance(environment)


@pytest.mark.ci
def test_workers_leave_out_what_the_plan_of_a_paced_day_does(environment: Environment) -> None:
    """They ask the prompts that the coordinator planned, judge none, and the day is complete."""
    left = days_left(environment.budget.month(), environment.budget.today())
    user = environment.add_user(budget=str(Decimal("0.10") * left), providers=["openai"])
    environment.add_numbered_project(user, 16, ["openai"])
    app = App(environment.db, environment.budget, environment.store, load_settings({}, dotenv=False))
    edits.set_pacing(app, edits.COMMAND, user, is_on=True, steps=["sentiment", "rotation"])
    with open_worker_processes(environment) as processes:
        processes.worker()
        coordinator = processes.coordinator()
        assert 0 == coordinator.wait(), processes.said()
        assert "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY" in coordinator.said()
    (planned,) = environment.rows("SELECT resting FROM llm_paced_projects")
    rows = environment.rows("SELECT DISTINCT query_id, sentiment_status FROM llm_monitoring_results")
    assert 0 < len(planned["resting"]) < 16
    assert {"none"} == {row["sentiment_status"] for row in rows}
    assert 16 == len({row["query_id"] for row in rows} | set(planned["resting"])) == len(rows) + len(planned["resting"])


@pytest.mark.ci
def test_the_coordinator_alone_has_batches(environment: Environment) -> None:
    """It submits and collects them; workers ask the other tasks, and none that is out or waits for a trial."""
    user = environment.add_user(providers=ONE_SDK)
    for _ in range(2):
        environment.add_numbered_project(user, 15, ONE_SDK)
    economy = {"LLM_ECONOMY": "openai:batch", "LLM_CHUNK_TASKS": "1", "LLM_ECONOMY_WAIT_MINUTES": "0.3", **NO_SENTIMENT}
    with open_worker_processes(environment, **economy) as processes:
        processes.worker()
        coordinator = processes.coordinator()
        assert 0 == coordinator.wait(), processes.said()
    rows = environment.rows(
        "SELECT llm_provider, mode, count(*) AS n, count(chunk_id) AS of_workers"
        " FROM llm_call_attempts WHERE state = 'settled' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert [("openai", "batch", 30, 0), ("perplexity", "standard", 30, 30)] == [tuple(row.values()) for row in rows]
    assert environment.billed() == environment.charged()
    assert in_balance(environment)


@pytest.mark.ci
def test_a_chunk_of_a_killed_worker_is_reclaimed(environment: Environment) -> None:
    """`kill -9` in the middle of a chunk: no task is answered twice, no receipt lost, only unknown calls repeated."""
    fill(environment, projects=4, prompts=20)
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1") as processes:
        victim, coordinator = processes.worker(), processes.coordinator()
        processes.until(lambda: environment.count("llm_monitoring_results") >= 15)
        victim.end(signal.SIGKILL)
        processes.worker()
        assert 0 == coordinator.wait(50), processes.said()
        assert "💀 Trabajador" in coordinator.said()
        assert 1 == processes.in_chunks("losses > 0")
    assert 160 == environment.count("llm_monitoring_results")
    assert 0 == environment.count("llm_monitoring_failed_tasks")
    assert 0 == environment.count("llm_monitoring_results WHERE sentiment_status = 'pending'")
    doubtful = processes.states()["unknown"]
    assert 0 < doubtful <= 10
    assert in_balance(environment)
    answered = len(environment.server.bill.lines) - environment.count("llm_call_attempts WHERE state = 'settled'")
    assert 0 <= answered <= doubtful
    assert 0 == environment.count(
        "llm_call_attempts a LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id "
        "WHERE a.state = 'settled' AND r.attempt_id IS NULL"
    )


@pytest.mark.ci
def test_a_killed_coordinator_is_replaced_without_paying_twice(environment: Environment) -> None:
    """The next start waits until the dead run's worker has let its calls end, and asks each of the others once."""
    fill(environment, projects=4, prompts=20)
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as processes:
        worker, coordinator = processes.worker(), processes.coordinator()
        processes.until(lambda: environment.count("llm_monitoring_results") >= 15)
        coordinator.end(signal.SIGKILL)
        second = processes.coordinator()
        assert 0 == second.wait(50), processes.said()
        assert 0 == worker.end(), processes.said()
        assert "⏳ Se espera" in second.said(), processes.said()
        assert {"settled"} == set(processes.states()) - {"void"}, processes.said()
    assert 160 == environment.count("llm_monitoring_results")
    assert 160 == len(environment.server.bill.lines)
    assert in_balance(environment)
    assert 0 == processes.in_chunks("state <> 'done'")
    statuses = [
        row["status"] for row in environment.rows("SELECT status FROM llm_monitoring_analysis_runs ORDER BY id")
    ]
    assert ["dead", "completed"] == statuses


@pytest.mark.ci
def test_a_stopped_worker_returns_its_chunk(environment: Environment) -> None:
    """SIGTERM: calls in flight end and count, the rest of the chunk goes to another worker at once."""
    fill(environment, projects=1, prompts=60)
    with open_worker_processes(environment, **NO_SENTIMENT) as processes:
        first, coordinator = processes.worker(), processes.coordinator()
        processes.until(lambda: environment.count("llm_monitoring_results") >= 20)
        assert 0 == first.end(), processes.said()
        assert 1 == processes.in_chunks("state = 'waiting' AND answered >= 20"), processes.said()
        assert 1 == environment.count("llm_queue.procrastinate_jobs WHERE status = 'todo'")
        second = processes.worker()
        assert 0 == coordinator.wait(), processes.said()
        assert 0 == second.end(), processes.said()
        assert "lo que queda pasa a otro" in first.said()
        assert 0 == processes.in_chunks("losses > 0")
        assert {1} == set(processes.bills().values())
    assert 120 == environment.count("llm_monitoring_results")
    assert {"settled": 120} == processes.states()


@pytest.mark.ci
def test_a_stopped_coordinator_stops_its_workers(environment: Environment) -> None:
    """SIGTERM at the coordinator: nothing more is asked, the run is closed with warnings, workers wait for the next."""
    fill(environment, projects=4, prompts=20)
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as processes:
        worker, coordinator = processes.worker(), processes.coordinator()
        processes.until(lambda: environment.count("llm_monitoring_results") >= 15)
        assert 1 == coordinator.end()
        assert "COMPLETED WITH WARNINGS" in coordinator.said()
        assert 0 == processes.in_chunks("state <> 'done'")
        (run,) = environment.rows(
            "SELECT status, valid_results, pending_tasks, message FROM llm_monitoring_analysis_runs"
        )
        assert "warnings" == run["status"]
        assert "signal" == run["message"]
        assert 160 == run["valid_results"] + run["pending_tasks"]
        assert run["valid_results"] == environment.count("llm_monitoring_results")
        assert 0 == processes.coordinator().wait(), processes.said()
        assert 0 == worker.end(), processes.said()
    assert 160 == environment.count("llm_monitoring_results")
    assert 160 == len(environment.server.bill.lines)
    assert in_balance(environment)


@pytest.mark.ci
def test_two_workers_fill_one_budget_exactly(environment: Environment) -> None:
    """While one worker has reserved the money the other waits: calls that fit are made, none exceeds the budget."""
    user = environment.add_user("a@example.com", ["openai"], budget="0.06")
    for number in range(4):
        prompts = [f"¿Es Quipu bueno para el caso {number}-{n}?" for n in range(15)]
        environment.add_project(user, prompts, ["openai"], name=f"P{number}")
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1", LLM_MAX_WORKERS="3", **NO_SENTIMENT) as processes:
        workers = [processes.worker(), processes.worker()]
        assert 0 == processes.coordinator().wait(50), processes.said()
        assert [0, 0] == [worker.end() for worker in workers], processes.said()
    blocked = environment.count("llm_monitoring_failed_tasks WHERE reason = 'budget'")
    answered = environment.count("llm_monitoring_results")
    assert 60 == answered + blocked, processes.said()
    assert 0 < blocked < 60, processes.said()
    ceiling = environment.rows("SELECT max(ceiling_usd) AS usd FROM llm_call_attempts")[0]["usd"]
    assert 0 <= Decimal("0.06") - environment.spent(user) < ceiling, processes.said()
    assert in_balance(environment)
    assert environment.billed() == environment.spent(user)
    assert 2 == len({row["worker"] for row in environment.rows("SELECT worker FROM llm_monitoring_chunks")})


@pytest.mark.ci
def test_a_worker_with_other_keys_takes_nothing(environment: Environment) -> None:
    """A worker with other settings names the variables, ends with 1, and leaves the day to the others."""
    fill(environment, projects=1, prompts=4)
    with open_worker_processes(environment) as processes:
        stranger = processes.worker(LLM_MAX_SEARCHES="5", OPENAI_API_KEY="sk-proj-other-000000000000000000")
        coordinator = processes.coordinator()
        assert 1 == stranger.wait(), processes.said()
        assert "error: LLM_MAX_SEARCHES, OPENAI_API_KEY: not what the daily cron has" in stranger.said()
        assert 0 == environment.count("llm_call_attempts")
        assert 1 == processes.in_chunks("state = 'waiting'")
        processes.worker()
        assert 0 == coordinator.wait(), processes.said()
        assert 8 == environment.count("llm_monitoring_results"), processes.said()


@pytest.mark.ci
def test_once_ends_with_the_queue(environment: Environment) -> None:
    """`worker --once` ends when the queue is empty; with an empty queue it ends at once."""
    fill(environment, projects=2, prompts=4)
    with open_worker_processes(environment, LLM_CHUNK_TASKS="1", **NO_SENTIMENT) as processes:
        assert 0 == processes.worker("--once").wait()
        coordinator = processes.coordinator()
        processes.until(lambda: "📦 2 tramo(s)" in coordinator.said())
        assert 0 == processes.worker("--once").wait(), processes.said()
        assert 0 == coordinator.wait(), processes.said()
    assert 16 == environment.count("llm_monitoring_results")


def python(environment: Environment, code: str, **extra: str) -> tuple[int, str]:
    """Run a line of Python with the job's environment."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment.variables(extra),
        cwd="/",
        text=True,
        timeout=50,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.short("procrastinate-cron")
@pytest.mark.parametrize(
    "start",
    [
        "from llm_monitoring.jobs.daily import main; sys.exit(main([]))",
        "from llm_monitoring.cli.root import root; root.main(['worker'])",
    ],
    ids=["cron", "worker"],
)
@pytest.mark.parametrize("package", ["procrastinate", "psycopg", "psycopg_pool"])
def test_a_missing_package_is_named(environment: Environment, start: str, package: str) -> None:
    """Without the engine coordinator and worker name the file to install from, before any call, and end with 1."""
    fill(environment, projects=1, prompts=1)
    code, output = python(environment, f"import sys; sys.modules[{package!r}] = None; {start}", LLM_DISTRIBUTE="true")
    assert "pip install -r requirements-workers.txt" in output, output
    assert "Traceback" not in output, output
    assert 1 == code
    assert 0 == environment.count("llm_call_attempts")


@pytest.mark.ci
def test_one_machine_needs_none_of_it(environment: Environment) -> None:
    """By default a run imports no engine, makes no queue and no chunk."""
    fill(environment, projects=1, prompts=2)
    engine = "print('engine:', sorted({'procrastinate', 'psycopg', 'asgiref'} & set(sys.modules)))"
    code, output = python(environment, f"import sys; from llm_monitoring.jobs.daily import main; main([]); {engine}")
    assert 0 == code, output
    assert "engine: []" == output.splitlines()[-1], output
    found = environment.rows("SELECT to_regclass('llm_queue.procrastinate_jobs') AS queue")
    assert [{"queue": None}] == found
    assert 0 == environment.count("llm_monitoring_chunks")
    assert 4 == environment.count("llm_monitoring_results")


def test_the_requirements_of_workers_stand_apart() -> None:
    """The packages that only workers need are pinned in a file of their own."""
    pins = (ROOT / "requirements-workers.txt").read_text(encoding="utf-8").splitlines()
    alone = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert {"procrastinate", "psycopg", "psycopg-binary", "psycopg-pool"} == {
        line.partition("==")[0] for line in pins if "==" in line
    }
    assert "-r requirements.txt" in pins
    assert "procrastinate" not in alone
    assert "psycopg==" not in alone
