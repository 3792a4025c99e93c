"""Railway as code: the database, one service per entry of "crons" in railway.json, and the workers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from railway_sdk import Project, Service, define_railway, github, postgres, preserve, project, service

ROOT = Path(__file__).resolve().parents[1]
GITHUB = re.compile(r"github\.com[:/]([^/]+/[^/]+?)(?:\.git)?/?$")
VARIABLE = re.compile(r"^#? ?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
WORKERS = 0  # set it above 0, together with LLM_DISTRIBUTE=true, to run the asking on further services
WORKER_COMMAND = "python -m llm_monitoring worker"
COLLECT = False  # set it to True if LLM_ECONOMY has a batch and a project the pace patient: late answers come hourly
WEB = False  # set it to True, and LLM_WEB_HOST to the domain, to serve the REST API
WEB_COMMAND = "python -m llm_monitoring web"


@define_railway
def main() -> Project:
    """Describe the whole project; an existing one starts from `railway config pull`."""
    settings = json.loads((ROOT / "railway.json").read_text(encoding="utf-8"))
    database = postgres("Postgres")
    source = repository()
    entries = [*settings["crons"], *([settings["collect"]] if COLLECT else [])]
    services = [cron(entry, settings, database, source) for entry in entries]
    workers = [worker(number, settings, database, source) for number in range(1, WORKERS + 1)]
    web = [web_service(settings, database, source)] if WEB else []
    return project("llm-monitoring", resources=[database, *services, *workers, *web])


def cron(
    entry: Mapping[str, str], settings: Mapping[str, Any], database: Service, source: dict[str, Any] | None
) -> Service:
    """Describe one scheduled service; what railway.json sets for all services is next to its schedule."""
    return service(
        service_name(entry["command"]),
        source=source,
        build=settings["build"],
        start=entry["command"],
        deploy={**settings["deploy"], "cronSchedule": entry["schedule"]},
        env=variables(database),
    )


def worker(number: int, settings: Mapping[str, Any], database: Service, source: dict[str, Any] | None) -> Service:
    """Describe one worker service: it runs always and installs the packages of the distributed run."""
    return service(
        f"llm-monitoring-worker-{number}",
        source=source,
        build=settings["build"],
        start=WORKER_COMMAND,
        deploy={**settings["deploy"], "restartPolicyType": "ALWAYS"},
        env={**variables(database), "RAILPACK_CONFIG_FILE": "railpack.workers.json"},
    )


def web_service(settings: Mapping[str, Any], database: Service, source: dict[str, Any] | None) -> Service:
    """Describe the web service: it runs always, on Railway's PORT, and is healthy while it reaches its database.

    Its DATABASE_URL is set by hand, to a login of the role `llm_monitoring_web`, and kept: the database's own is a
    superuser's, whom row-level security does not stop.
    """
    return service(
        "llm-monitoring-web",
        source=source,
        build=settings["build"],
        start=WEB_COMMAND,
        deploy={**settings["deploy"], "restartPolicyType": "ALWAYS", "healthcheckPath": "/healthz"},
        env={
            **variables(database),
            "DATABASE_URL": preserve(),
            "RAILPACK_CONFIG_FILE": "railpack.web.json",
            "LLM_WEB_BIND": "::",
        },
    )


def variables(database: Service) -> dict[str, Any]:
    """Return the variables of a service: the database's address, and every setting as Railway holds it.

    `.env.example` names every setting. A variable that this file left out would be planned for deletion.
    """
    names = VARIABLE.findall((ROOT / ".env.example").read_text(encoding="utf-8"))
    kept = {name: preserve() for name in names}
    return {**kept, "RAILPACK_CONFIG_FILE": preserve(), "DATABASE_URL": database.env.DATABASE_URL}


def service_name(command: str) -> str:
    """Return `daily-llm-monitoring-cron` for that script, `llm-monitoring-collect` for the command `collect`."""
    last = Path(command.rsplit(maxsplit=1)[-1]).stem.replace("_", "-")
    return f"llm-monitoring-{last}" if " -m " in command else last


def repository() -> dict[str, Any] | None:
    """Return the GitHub repository that this checkout comes from; without one `railway up` deploys it."""
    git = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    result = subprocess.run(git, capture_output=True, text=True, check=False)
    match = GITHUB.search(result.stdout.strip())
    return github(match[1]) if match else None
