"""Railway as code: the database, and one service per entry of "crons" in railway.json."""

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
SECRETS = (
    "LLM_KEYS_ENCRYPTION_KEY",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "PERPLEXITY_API_KEY",
    "LLM_NOTIFY_URLS",
    "LLM_HEARTBEAT_URL",
)


@define_railway
def main() -> Project:
    """Describe the whole project; an existing one starts from `railway config pull`."""
    settings = json.loads((ROOT / "railway.json").read_text(encoding="utf-8"))
    database = postgres("postgres")
    source = repository()
    services = [cron(entry, settings, database, source) for entry in settings["crons"]]
    return project("llm-monitoring", resources=[database, *services])


def cron(
    entry: Mapping[str, str], settings: Mapping[str, Any], database: Service, source: dict[str, Any] | None
) -> Service:
    """Describe one scheduled service; what railway.json sets for all services stands beside its schedule."""
    return service(
        service_name(entry["command"]),
        source=source,
        build=settings["build"],
        start=entry["command"],
        deploy={**settings["deploy"], "cronSchedule": entry["schedule"]},
        env={"DATABASE_URL": database.env.DATABASE_URL, **{name: preserve() for name in SECRETS}},
    )


def service_name(command: str) -> str:
    """Return `daily-llm-monitoring-cron` for `python daily_llm_monitoring_cron.py`."""
    return Path(command.rsplit(maxsplit=1)[-1]).stem.replace("_", "-")


def repository() -> dict[str, Any] | None:
    """Return the GitHub repository that this checkout comes from; without one `railway up` deploys it."""
    git = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    result = subprocess.run(git, capture_output=True, text=True, check=False)
    match = GITHUB.search(result.stdout.strip())
    return github(match[1]) if match else None
