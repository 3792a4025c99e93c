"""T8: one provider dead, one ten times slower: the others finish, and the run ends by its deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Final

import pytest

from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import ProviderName
from tests.environment import Environment, open_environment
from tests.faults.conftest import Note
from tests.faults.in_process import TODAY, impatient, run_day

LATENCY_MS: Final = 200.0
DEAD: Final = {"kind": "reset", "when": "after_body"}
PROMPTS: Final = 15
ANTHROPIC: Final = """
SELECT count(*) AS n FROM llm_call_attempts WHERE llm_provider = 'anthropic' AND analysis_date = %(day)s
"""


@pytest.fixture
def slow_environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random, latency_ms=LATENCY_MS) as environment:
        yield environment


def slow_and_dead(deadline: float) -> list[dict[str, object]]:
    """Rules for one provider that answers twice by the deadline on each connection, and one that never answers."""
    slow = {"kind": "delay", "delay_ms": deadline / 2 * 1000}
    return [
        {"match": {"provider": "google", "route": "answer"}, "action": slow},
        {"match": {"provider": "anthropic", "route": "answer"}, "action": DEAD, "billed": True},
    ]


def answered(environment: Environment) -> dict[ProviderName, int]:
    rows = environment.db.all(
        "SELECT llm_provider, count(*) AS n FROM llm_monitoring_results WHERE analysis_date = %(day)s GROUP BY 1",
        {"day": TODAY},
    )
    return {row["llm_provider"]: row["n"] for row in rows}


def seconds_of_a_day(environment: Environment) -> float:
    began = time.monotonic()
    assert 0 == environment.run_day(TODAY - timedelta(days=1), LLM_SENTIMENT="false")
    return time.monotonic() - began


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_t8_a_dead_and_a_slow_provider_stop_nobody_else(slow_environment: Environment, note: Note) -> None:
    """The healthy providers' day is whole, the dead one was hardly tried, the slow one was cut at the deadline.

    The deadline is three times what a day takes on this machine at this moment.
    """
    for user in (slow_environment.add_user(), slow_environment.add_user()):
        slow_environment.add_numbered_project(user, PROMPTS)
    deadline = 3 * seconds_of_a_day(slow_environment)
    slow_environment.server.faults.set(slow_and_dead(deadline))
    run = slow_environment.start_day(TODAY, LLM_RUN_DEADLINE_MINUTES=str(deadline / 60), LLM_SENTIMENT="false")
    code = run.wait(60 + 2 * deadline)
    found = answered(slow_environment)
    tried = slow_environment.db.one(ANTHROPIC, {"day": TODAY}) or {}
    assert 1 == code
    assert 2 * PROMPTS == found.get("openai")
    assert 2 * PROMPTS == found.get("perplexity")
    assert 0 < found["google"] < 2 * PROMPTS
    assert "anthropic" not in found
    assert tried["n"] <= 15
    assert "No se inician más llamadas: plazo de ejecución agotado" in slow_environment.processes[-1].said()
    assert slow_environment.check() == []
    note.add(tries_of_the_dead=tried["n"], answers=found)
    slow_environment.server.faults.set([])
    slow_environment.run_day(TODAY, LLM_SENTIMENT="false")
    assert slow_environment.check(TODAY) == []


@pytest.mark.ci
def test_t8_one_users_refused_key_stops_nobody_else(watched_url: str, random: Random) -> None:
    """A user with a refused key, and one with calls that always fail, leave the day of the others whole."""
    with open_environment(watched_url, random) as environment, impatient():
        refused, failing, healthy = (environment.add_user(providers=["openai"]) for _ in range(3))
        for user in (refused, failing, healthy):
            environment.add_numbered_project(user, PROMPTS, ["openai"])
        answers = {refused: 401, failing: 500}
        environment.server.faults.set(
            {
                "match": {"key": fingerprint(environment.key_of(user, "openai"))},
                "action": {"kind": "status", "status": code},
            }
            for user, code in answers.items()
        )
        run_day(environment)
        results = environment.db.all(
            "SELECT p.user_id, count(*) AS n FROM llm_monitoring_results r "
            "JOIN llm_monitoring_projects p ON p.id = r.project_id GROUP BY p.user_id"
        )
        calls = {
            row["user_id"]: row["n"]
            for row in environment.db.all("SELECT user_id, count(*) AS n FROM llm_call_attempts GROUP BY user_id")
        }
        assert results == [{"user_id": healthy, "n": PROMPTS}]
        assert calls[healthy] == PROMPTS
        assert calls[refused] <= 10
        assert calls[failing] <= 25
        assert environment.check() == []
