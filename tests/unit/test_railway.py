"""railway.json and .railway/railway.py: the schedules, and what every Railway service gets."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CRONS = [
    {"command": "python daily_llm_monitoring_cron.py", "schedule": "0 4 * * *"},
    {"command": "python weekly_model_check_cron.py", "schedule": "0 0 * * 0"},
]


@pytest.fixture
def settings() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "railway.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def module() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".railway" / "railway.py"))


@pytest.fixture
def services(module: dict[str, Any]) -> list[dict[str, Any]]:
    resources = module["main"]().to_graph()["resources"]
    return [resource for resource in resources if resource["type"] == "service"]


def test_schedules(settings: dict[str, Any]) -> None:
    """railway.json lists the daily and the weekly job with their schedules."""
    assert CRONS == settings["crons"]


def test_commands(settings: dict[str, Any]) -> None:
    """Every command is one plain start of a script that exists, so that signals reach it."""
    for entry in settings["crons"]:
        program, script = entry["command"].split()
        assert ("python", True) == (program, (ROOT / script).is_file())


def test_shared_settings(settings: dict[str, Any]) -> None:
    """What every service takes starts nothing; no restart pays again, and a stopped run may drain."""
    assert {"restartPolicyType": "NEVER", "drainingSeconds": 180} == settings["deploy"]


def test_one_service_an_entry(settings: dict[str, Any], services: list[dict[str, Any]]) -> None:
    """Each entry becomes one service: command, schedule and shared settings stand inside `deploy`."""
    expected = [
        {**settings["deploy"], "cronSchedule": entry["schedule"], "startCommand": entry["command"]}
        for entry in settings["crons"]
    ]
    assert expected == [service["deploy"] for service in services]
    assert ["daily-llm-monitoring-cron", "weekly-model-check-cron"] == [service["name"] for service in services]


def test_variables(services: list[dict[str, Any]]) -> None:
    """The database is a reference, every key keeps the value that Railway holds."""
    for service in services:
        variables = dict(service["variables"])
        database = variables.pop("DATABASE_URL")
        assert ("reference", {"preserve"}) == (
            database["type"],
            {value["type"] for value in variables.values()},
        )


def test_secrets_are_settings(module: dict[str, Any]) -> None:
    """The keys that a service keeps are variables that the product reads."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert [] == [name for name in module["SECRETS"] if f"\n{name}=" not in example]


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:acme/monitoring.git", "acme/monitoring"),
        ("https://github.com/acme/llm.monitoring", "acme/llm.monitoring"),
        ("https://example.com/acme/monitoring.git", None),
        ("", None),
    ],
)
def test_repository(module: dict[str, Any], remote: str, expected: str | None) -> None:
    """The source is the GitHub repository that the checkout names, where it names one."""
    match = module["GITHUB"].search(remote)
    assert expected == (match and match[1])
