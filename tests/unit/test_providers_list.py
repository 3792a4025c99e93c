"""The one list of providers, and what a name that is added to it must bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from llm_monitoring.domain import PROVIDERS, traits
from llm_monitoring.providers import SDKS, module_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-provider.md"


def test_each_provider_has_a_module() -> None:
    """Each provider's file and reader exist."""
    places = [ROOT / "llm_monitoring" / "providers" / f"{file}.py" for name in PROVIDERS
              for file in (module_of(name).file, module_of(name).reader)]  # fmt: skip
    assert [] == [place for place in places if not place.exists()]


def test_each_provider_has_an_sdk() -> None:
    """The SDKs' load order names each provider once."""
    assert set(PROVIDERS) == set(SDKS)


def test_companies_differ() -> None:
    """No two providers are called the same."""
    assert len(PROVIDERS) == len({traits(name).company for name in PROVIDERS})


def test_mypy_names_what_a_new_provider_lacks(tmp_path: Path) -> None:
    """A name that is added to the list alone is refused by mypy, at its traits."""
    source = (ROOT / "llm_monitoring" / "domain.py").read_text(encoding="utf-8")
    changed = source.replace('"google", "perplexity"]', '"google", "perplexity", "mistral"]')
    (tmp_path / "domain.py").write_text(changed, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "domain.py"]
    found = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (1, True) == (found.returncode, "Literal['mistral']" in found.stdout)


def test_the_page_names_files_that_exist() -> None:
    """Each path that the page of instructions names is there, but for those that it tells to add."""
    named = {
        part for part in PAGE.read_text(encoding="utf-8").split("`")[1::2] if part.endswith((".py", ".sql", ".json"))
    }
    homes = [ROOT, ROOT / "llm_monitoring", ROOT / "llm_monitoring" / "demo", ROOT / "llm_monitoring" / "providers"]
    missing = {each for each in named if not any((home / each).exists() for home in homes)}
    assert set() == {each for each in missing if "mistral" not in each}
