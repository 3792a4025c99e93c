"""One run of the day in this process, for the tests of the runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from threading import Event
from typing import Any

import pytest

from llm_monitoring.app import App
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.runs import daily, runner
from llm_monitoring.runs import report as report_module
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment

TODAY = date(2026, 11, 23)
PROMPTS = [f"¿Qué programa de facturación conviene, caso {n}?" for n in range(4)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait hundredths of a second, not seconds."""
    monkeypatch.setattr(runner, "backoff", lambda tries: 0.01)


def run(
    environment: Environment,
    *,
    stop: Event | None = None,
    meanwhile: Callable[[], object] = lambda: None,
    **variables: str,
) -> report_module.DayReport:
    """A run in this process; `meanwhile` happens after it has planned what to ask."""
    settings = load_settings({**environment.server.environment(), "LLM_SENTIMENT": "false", **variables}, dotenv=False)
    store = KeyStore(environment.db, KeyCipher(environment.master_key), settings.api_keys)
    app = App(environment.db, environment.budget, store, settings)
    request = daily.RunRequest(TODAY, stop=stop or Event(), on_start=lambda pending: none(meanwhile()))
    return daily.run_day(app, request)


def none(_: object) -> None: ...


def fault(kind: str, provider: ProviderName = "openai", times: int = 1, **action: Any) -> Mapping[str, Any]:
    return {
        "match": {"provider": provider, "route": "answer"},
        "times": times,
        "action": {"kind": kind, **action},
    }


def one_task(environment: Environment) -> int:
    user = environment.add_user("a@example.com", ["openai"])
    environment.add_project(user, PROMPTS[:1], ["openai"])
    return user


def states(environment: Environment) -> list[str]:
    rows = environment.rows("SELECT state FROM llm_call_attempts ORDER BY reserved_at")
    return [row["state"] for row in rows]


def in_balance(environment: Environment, user: int) -> bool:
    audit = environment.audit()
    return not audit.differences and not audit.open_attempts and environment.spent(user) >= environment.billed()
