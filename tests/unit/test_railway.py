"""railway.json and .railway/railway.py: the schedules, and what every Railway service gets."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.health import machine
from llm_monitoring.settings.fields import documented_fields

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
        assert "python" == program
        assert (ROOT / script).is_file()


def test_shared_settings(settings: dict[str, Any]) -> None:
    """The settings of every service start nothing; no restart pays again, and a stopped run may finish its calls."""
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
        assert "reference" == database["type"]
        assert {"preserve"} == {value["type"] for value in variables.values()}


def test_every_setting_is_kept(services: list[dict[str, Any]]) -> None:
    """A service keeps every setting of the product, so that no variable set by hand is planned for deletion."""
    settings = {each.metadata["env"].format(name.upper()) for each in documented_fields() for name in PROVIDERS}
    assert [set(), set()] == [settings - set(service["variables"]) for service in services]


def test_workers(module: dict[str, Any]) -> None:
    """A worker runs always, without a schedule, and installs the packages of the distributed run."""
    main = module["main"]
    inner = getattr(main, "__wrapped__", main)
    inner.__globals__["WORKERS"] = 2
    workers = [each for each in main().to_graph()["resources"] if "worker" in each["name"]]
    assert ["llm-monitoring-worker-1", "llm-monitoring-worker-2"] == [each["name"] for each in workers]
    assert "python -m llm_monitoring worker" == workers[0]["deploy"]["startCommand"]
    assert "ALWAYS" == workers[0]["deploy"]["restartPolicyType"]
    assert workers[0]["deploy"].get("cronSchedule") is None


def test_collecting_is_switched_on_by_one_line(module: dict[str, Any], settings: dict[str, Any]) -> None:
    """Late answers of batches get a service of their own, hourly, that no failure restarts; doctor knows it."""
    main = module["main"]
    getattr(main, "__wrapped__", main).__globals__["COLLECT"] = True
    resources = main().to_graph()["resources"]
    (collect,) = [each for each in resources if each["name"] == "llm-monitoring-collect"]
    assert "python -m llm_monitoring collect" == collect["deploy"]["startCommand"]
    assert "30 * * * *" == collect["deploy"]["cronSchedule"]
    assert "NEVER" == collect["deploy"]["restartPolicyType"]
    assert "green" == machine.compare(settings, resources).colour


@pytest.mark.parametrize("schedule", ["0 * * * *", "30 4 * * *"])
def test_another_schedule_of_collecting_is_red(settings: dict[str, Any], schedule: str) -> None:
    """The one place of every schedule is railway.json."""
    commands = [*settings["crons"], {**settings["collect"], "schedule": schedule}]
    resources = [
        {
            "type": "service",
            "deploy": {
                "startCommand": each["command"],
                "cronSchedule": each["schedule"],
                "restartPolicyType": "NEVER",
            },
        }
        for each in commands
    ]
    assert "red" == machine.compare(settings, resources).colour


def test_the_web_service_is_switched_on_by_one_line(module: dict[str, Any]) -> None:
    """It runs always, is asked for its health, and installs its own packages."""
    main = module["main"]
    inner = getattr(main, "__wrapped__", main)
    inner.__globals__["WEB"] = True
    (web,) = [each for each in main().to_graph()["resources"] if each["name"] == "llm-monitoring-web"]
    assert "python -m llm_monitoring web" == web["deploy"]["startCommand"]
    assert "ALWAYS" == web["deploy"]["restartPolicyType"]
    assert "/healthz" == web["deploy"]["healthcheckPath"]
    assert web["deploy"].get("cronSchedule") is None
    # a login that was set by hand stays: the database's own is a superuser's, whom row-level security does not stop
    assert web["variables"]["LLM_WEB_HOST"] == web["variables"]["DATABASE_URL"]


@pytest.mark.parametrize(
    ("config", "lock"),
    [
        ("railpack.json", "requirements.lock"),
        ("railpack.workers.json", "requirements-workers.lock"),
        ("railpack.web.json", "requirements-web.lock"),
    ],
)
def test_the_build_installs_the_lock(config: str, lock: str) -> None:
    """Railpack installs the locked packages alone, and refuses one with another hash."""
    commands = json.loads((ROOT / config).read_text(encoding="utf-8"))["steps"]["install"]["commands"]
    installing = [each for each in commands if isinstance(each, str) and "pip install" in each]
    assert [f"pip install --require-hashes --requirement {lock}"] == installing
    assert {"src": lock, "dest": lock} in commands


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
    """The source is the GitHub repository that the checkout names, if it names one."""
    match = module["GITHUB"].search(remote)
    assert expected == (match and match[1])
