"""Opens the demo: its own database, a sample user with two projects, and a loopback server for the providers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App, open_app
from llm_monitoring.db import embedded
from llm_monitoring.db.data_directory import demo_data_directory, make_parents
from llm_monitoring.demo.sample import (
    DEMO_KEYS,
    SAMPLE_BUDGET_USD,
    SAMPLE_EMAIL,
    SAMPLE_PROJECTS,
    SampleEntity,
    SampleProject,
)
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import PROVIDERS, Mode, ProviderName, Secret, provider_name
from llm_monitoring.errors import NotFound
from llm_monitoring.process.whole_files import whole_file
from llm_monitoring.settings import Settings

log = logging.getLogger(__name__)

LATENCY_MS: Final = 250.0
ECONOMY: Final[Mapping[ProviderName, Mode]] = {"openai": "flex", "google": "flex"}
FAST_COMMITS: Final = "&options=-csynchronous_commit%3Doff"  # simulated answers lost in a power cut are asked again


def bill_file(settings: Settings) -> Path:
    """Return the file of the simulated providers' bill."""
    return demo_data_directory(settings.data_dir).with_name("demo.bill.jsonl")


@contextmanager
def demo_settings(settings: Settings, day: date | None = None) -> Iterator[Settings]:
    """Yield settings with the loopback server for every provider and with the demo's own database.

    Keys, DATABASE_URL and notification targets are left out, so the demo cannot spend, write or send anything
    elsewhere. The answers are those of `day`, by default today.
    """
    log.info(
        "🧪 DEMO: las respuestas son simuladas por un servidor local; no se gasta dinero ni se toca DATABASE_URL",
        extra={"event": "demo.started"},
    )
    data = demo_data_directory(settings.data_dir)
    log.info("📁 Los datos de la demo están en %s", data, extra={"event": "demo.data", "directory": str(data)})
    make_parents(data)
    day = day or datetime.now(UTC).date()
    with DemoServer(
        latency_ms=LATENCY_MS, latency_spread=0.5, epoch=day, bill=data.with_name("demo.bill.jsonl")
    ) as server:
        server.set_day(day)
        own = dataclasses.replace(
            settings,
            database_url=f"{embedded.start(data)}{FAST_COMMITS}",
            keys_encryption_key=demo_master_key(data.with_name("demo.masterkey")),
            api_keys={},
            economy=settings.economy or ECONOMY,
            base_urls={provider: server.url(provider) for provider in PROVIDERS},
            notify_urls=None,
            heartbeat_url=None,
            web_hosts=None,
            web_bind="127.0.0.1",
        )
        with open_app(own) as app:
            fill(app)
        yield own


def demo_master_key(path: Path) -> Secret:
    """Return the demo's own master key; the first run makes it."""
    if not path.exists():
        with whole_file(path) as draft:
            draft.write_bytes(Fernet.generate_key())
    return Secret(path.read_text().strip())


def fill(app: App) -> None:
    """Create the missing parts of the sample: user, keys, budget, projects and prompts."""
    try:
        user_id = int(projects.find_user(app.db, SAMPLE_EMAIL)["id"])
    except NotFound:
        user_id = projects.add_user(app.db, SAMPLE_EMAIL)
        app.budget.set_limits(user_id, Decimal(SAMPLE_BUDGET_USD), None)
    for provider, key in DEMO_KEYS.items():
        app.keys.store(user_id, provider_name(provider), Secret(key))
    known = {row["name"]: row["id"] for row in projects.overview(app.db) if row["user_id"] == user_id}
    for sample in SAMPLE_PROJECTS:
        project_id = known.get(sample.name) or projects.add(app.db, new_project(user_id, sample))
        projects.add_prompts(app.db, project_id, sample.prompts)


def new_project(user_id: int, sample: SampleProject) -> projects.NewProject:
    return projects.NewProject(
        user_id=user_id,
        name=sample.name,
        brand=entity(sample.brand),
        industry=sample.industry,
        competitors=[entity(competitor) for competitor in sample.competitors],
        language=sample.language,
        country=sample.country,
        pace=sample.pace,
    )


def entity(sample: SampleEntity) -> Entity:
    return Entity(sample.name, sample.aliases, sample.domains, sample.exclude)
