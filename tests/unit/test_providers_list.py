"""The one list of providers, and what a name that is added to it must bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from llm_monitoring import providers
from llm_monitoring.domain import PROVIDERS, ProviderName, traits
from llm_monitoring.providers import load_order, module_of
from llm_monitoring.providers.refusals import Document, row_of

ROOT = Path(__file__).resolve().parents[2]
KEYS_SQL = ROOT / "llm_monitoring" / "db" / "sql" / "keys.sql"
PAGE = ROOT / "docs" / "adding-a-provider.md"


def test_each_provider_has_a_module() -> None:
    """Each provider's file and reader exist."""
    places = [
        ROOT / "llm_monitoring" / "providers" / f"{file}.py"
        for name in PROVIDERS
        for file in (module_of(name).file, module_of(name).reader)
    ]
    assert [] == [place for place in places if not place.exists()]


def test_the_providers_with_the_quickest_sdks_come_first() -> None:
    """SDKs are loaded in the order of their import times."""
    assert ["openai", "perplexity", "google", "anthropic"] == load_order(PROVIDERS)


def test_a_provider_with_an_unlisted_sdk_is_loaded_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SDK without a known import time waits for the others instead of being left out."""
    unlisted = providers.Module("mistral", "MistralProvider", "mistral", sdk="mistralai")
    found = providers.module_of
    monkeypatch.setattr(providers, "module_of", lambda name: unlisted if name == "openai" else found(name))
    assert ["perplexity", "google", "anthropic", "openai"] == load_order(PROVIDERS)


@pytest.mark.parametrize(("status", "code"), [(401, "key_refused"), (402, "account_refused"), (429, "rate_limited")])
def test_an_unlisted_provider_has_the_plain_refusals(status: int, code: str) -> None:
    """A status that means the same everywhere is read for a provider that no row of the table names."""
    row = row_of(cast(ProviderName, "mistral"), status, Document("No", documented=True))
    assert code == row.code
    assert row.void is True


def test_every_query_on_keys_has_every_providers_column() -> None:
    """A provider that a query leaves out would have its users' keys lost, or not rotated."""
    queries = {part.partition("\n")[0]: part for part in KEYS_SQL.read_text(encoding="utf-8").split("-- name: ")[1:]}
    lacking = {
        (name, each)
        for name, query in queries.items()
        for each in PROVIDERS
        if query.count(f"{each}_api_key_encrypted") != query.count("openai_api_key_encrypted")
    }
    assert 7 == len(queries)
    assert set() == lacking


def test_companies_differ() -> None:
    """No two providers are called the same."""
    assert len(PROVIDERS) == len({traits(name).company for name in PROVIDERS})


@pytest.mark.ci
def test_mypy_names_what_a_new_provider_lacks(tmp_path: Path) -> None:
    """A name that is added to the list alone is refused by mypy, at its traits."""
    source = (ROOT / "llm_monitoring" / "domain.py").read_text(encoding="utf-8")
    changed = source.replace('"google", "perplexity"]', '"google", "perplexity", "mistral"]')
    (tmp_path / "domain.py").write_text(changed, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "domain.py"]
    found = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert 1 == found.returncode
    assert "Literal['mistral']" in found.stdout


def test_the_page_names_files_that_exist() -> None:
    """Each path that the page of instructions names is there, but for those that it tells to add."""
    named = {
        part for part in PAGE.read_text(encoding="utf-8").split("`")[1::2] if part.endswith((".py", ".sql", ".json"))
    }
    homes = [ROOT, ROOT / "llm_monitoring", ROOT / "llm_monitoring" / "demo", ROOT / "llm_monitoring" / "providers"]
    missing = {each for each in named if not any((home / each).exists() for home in homes)}
    assert set() == {each for each in missing if "mistral" not in each}
