"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import KEYS, Environment, open_environment
from tests.integration.command_line import EMAIL, MASTER, Cli
from tests.integration.models_command import Admin
from tests.integration.weekly_check import Check


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """An environment without latency on a fresh database."""
    with open_environment(database_url) as made:
        yield made


@pytest.fixture
def cli(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The commands on a fresh database, with a master key, in an empty directory."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", MASTER)
    monkeypatch.chdir(tmp_path)
    return Cli()


@pytest.fixture
def ana(cli: Cli) -> int:
    """A user."""
    cli.done("users", "add", EMAIL)
    return 1


@pytest.fixture
def quipu(cli: Cli, ana: int) -> int:
    """A project of that user."""
    cli.done("projects", "add", EMAIL, "Quipu", "--brand", "Quipu", "--industry", "software")
    return 1


@pytest.fixture
def admin(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Admin]:
    """A database with one user, who has every key, and loopback providers that keep a bill."""
    with open_environment(database_url) as environment:
        for name, value in environment.variables({"LLM_LOG_LEVEL": "INFO"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        environment.add_user("a@example.com")
        yield Admin(environment)


@pytest.fixture
def check(
    database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Check]:
    """The job with an operator's key for every provider, on a fresh database."""
    with open_environment(database_url) as environment:
        for name, value in environment.variables({"LLM_LOG_FORMAT": "json", "LLM_LOG_LEVEL": "INFO"}).items():
            monkeypatch.setenv(name, value)
        for provider, key in KEYS.items():
            monkeypatch.setenv(f"{provider.upper()}_API_KEY", key)
        monkeypatch.chdir(tmp_path)
        yield Check(environment, capsys)
