"""`setup` in a pseudo-terminal: from an empty database to the first dry run, interrupted and gone on with."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner

from llm_monitoring import projects
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.process.wording import PROGRAM, python_command
from llm_monitoring.settings.fields import load_settings
from tests.environment import KEYS
from tests.fork_server import ROOT

EMAIL = "ana@agency.example"


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as made:
        yield made


@contextmanager
def terminal(url: str, server: DemoServer, folder: Path, **extra: str) -> Iterator[pexpect.spawn[str]]:
    """The wizard in a terminal of its own, in a folder of its own."""
    environment: Mapping[str, str] = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY") if name in os.environ},
        **server.environment(),
        "DATABASE_URL": url,
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        **extra,
    }
    child = pexpect.spawn(
        sys.executable,
        ["-m", "llm_monitoring", "setup"],
        env=environment,
        cwd=str(folder),
        encoding="utf-8",
        timeout=30,
        dimensions=(60, 160),
    )
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


def interrupt(child: pexpect.spawn[str]) -> None:
    """Ctrl-C until it is heard: one that comes just before the terminal is read waits for the next key."""
    child.sendintr()
    while child.expect_exact(["Stopped. What was stored stays", pexpect.TIMEOUT], timeout=2):
        child.sendintr()


def answer(child: pexpect.spawn[str], question: str, text: str) -> str:
    """Wait for a question and answer it; return what was on the screen before it."""
    child.expect_exact(question)
    seen = str(child.before)
    child.sendline(text)
    return seen


@pytest.mark.ci
def test_from_nothing_to_the_first_dry_run(empty_database_url: str, server: DemoServer, tmp_path: Path) -> None:
    """An empty database gets master key, user, tried key, project and prompts, and the cost of a day is shown."""
    refused = {"kind": "status", "status": 401}
    server.faults.set(
        [
            {"match": {"provider": "openai", "route": "models"}, "times": 1, "action": refused},
            {"match": {"provider": "google", "route": "models"}, "action": refused},
        ]
    )
    with terminal(empty_database_url, server, tmp_path) as child:
        seen = answer(child, "What shall it be? [1]:", "1")
        seen += answer(child, "E-mail address:", "not-an-address")
        seen += answer(child, "E-mail address:", EMAIL)
        seen += answer(child, "openai API key (not shown; empty: none):", "sk-proj-refused-000000000000000000000000")
        seen += answer(child, "openai API key (not shown; empty: none):", KEYS["openai"])
        seen += answer(child, "anthropic API key (not shown; empty: none):", "")
        seen += answer(child, "google API key (not shown; empty: none):", KEYS["google"])
        seen += answer(child, "google API key (not shown; empty: none):", "")
        seen += answer(child, "perplexity API key (not shown; empty: none):", "")
        seen += answer(child, "Monthly limit in USD [100.00]:", "a lot")
        seen += answer(child, "Monthly limit in USD [100.00]:", "25")
        seen += answer(child, "The brand's name", "Quipu")
        seen += answer(child, "Name of the project [Quipu]:", "")
        seen += answer(child, "Its other names", "getquipu, Quipu App")
        seen += answer(child, "Its sites", "*.getquipu.com")
        seen += answer(child, "Its sites", "getquipu.com")
        seen += answer(child, "What it does", "software de facturación")
        seen += answer(child, "Language of prompts", "")
        seen += answer(child, "Country that is asked from", "Spain")
        seen += answer(child, "Country that is asked from", "es")
        seen += answer(child, "Competitors", "Holded, Sage")
        seen += answer(child, "Let the assistants search the web? That costs 5 to 13 times as much [y/N]:", "")
        seen += answer(child, "How many shall be proposed", "5")
        seen += answer(child, "These? [1]:", "1")
        seen += answer(child, "A prompt of your own", "¿Qué programa recomiendas?")
        seen += answer(child, "A prompt of your own", "")
        child.expect(r"In all at most (\d+\.\d{4}) USD a day")
        assert float(child.match.group(1)) > 0  # type: ignore[union-attr]
        child.expect_exact("Next: `")
        child.expect(pexpect.EOF)
        child.wait()
        assert 0 == child.exitstatus
        with contextlib.chdir(tmp_path):
            expected = f"{python_command()} daily_llm_monitoring_cron.py`"
        assert str(child.before).startswith(expected)
    environment = tmp_path / ".env"
    master = environment.read_text(encoding="utf-8").strip().removeprefix("LLM_KEYS_ENCRYPTION_KEY=")
    assert 0o600 == stat.S_IMODE(environment.stat().st_mode)
    assert 44 == len(master)
    assert [] == [secret for secret in (master, KEYS["openai"], "refused-0000") if secret in seen]
    assert "'not-an-address' is no e-mail address" in seen
    with Database(empty_database_url) as db:
        project = projects.find(db, 1)
        assert "Quipu" == project.brand.name
        assert ("getquipu", "Quipu App") == project.brand.aliases
        assert ("openai",) == project.providers
        assert "ES" == project.country
        assert ["Holded", "Sage"] == [each.name for each in project.competitors]
        assert 6 == len(projects.list_prompts(db, 1))
        row = db.one(
            "SELECT openai_api_key_encrypted AS token, google_api_key_encrypted AS refused,"
            " monthly_budget_usd AS usd FROM user_llm_api_keys"
        )
        assert row is not None
        assert KEYS["openai"] == KeyCipher(master).decrypt(row["token"], 1, "openai").reveal()
        assert 25 == row["usd"]
        assert row["refused"] is None
        assert {"n": 0} == db.one("SELECT count(*) AS n FROM llm_call_attempts")
    assert 0 == server.bill.total_usd


@pytest.mark.ci
def test_interrupted_and_gone_on_with(empty_database_url: str, server: DemoServer, tmp_path: Path) -> None:
    """Ctrl-C keeps what was stored and says how to go on; started again it asks only what is missing."""
    with terminal(empty_database_url, server, tmp_path, OPENAI_API_KEY=KEYS["openai"]) as child:
        answer(child, "What shall it be? [1]:", "3")
        answer(child, "E-mail address:", EMAIL)
        child.expect_exact("openai: there is one already (the operator’s).")
        child.expect_exact("Monthly limit in USD [100.00]:")
        interrupt(child)
        child.expect(pexpect.EOF)
        child.wait()
        assert 1 == child.exitstatus
    with terminal(empty_database_url, server, tmp_path, OPENAI_API_KEY=KEYS["openai"]) as child:
        answer(child, "What shall it be? [1]:", "3")
        child.expect_exact(f"1. {EMAIL} (user 1)")
        answer(child, "Which user? [1]:", "")
        answer(child, "Monthly limit in USD [100.00]:", "")
        child.expect_exact("The brand's name")
        interrupt(child)
        child.expect(pexpect.EOF)
    with Database(empty_database_url) as db:
        assert [EMAIL] == [row["email"] for row in projects.list_users(db)]


@pytest.mark.ci
def test_a_shown_master_key_is_shown_once(empty_database_url: str, server: DemoServer, tmp_path: Path) -> None:
    """A master key is printed only where that was chosen, and nothing is written then."""
    with terminal(empty_database_url, server, tmp_path) as child:
        answer(child, "What shall it be? [1]:", "2")
        child.expect(r"LLM_KEYS_ENCRYPTION_KEY=([A-Za-z0-9_=-]{44})\r\n")
        answer(child, "Have you put it away? [Y/n]:", "")
        child.expect_exact("E-mail address:")
    assert [] == list(tmp_path.iterdir())


def test_not_in_a_terminal() -> None:
    """Without a terminal, setup says in one line what to use instead, with exit code 2."""
    result = CliRunner().invoke(root, ["setup"], prog_name=PROGRAM)
    assert 2 == result.exit_code
    assert "setup asks questions in a terminal" in result.stderr
    assert 1 == len(result.stderr.splitlines())


def test_a_blank_variable_in_env_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` copied from the example keeps its other lines when the master key is put in."""
    from llm_monitoring.cli.setup import master_key

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LLM_MAX_WORKERS=3\nLLM_KEYS_ENCRYPTION_KEY=\n# end\n", encoding="utf-8")
    monkeypatch.setattr(master_key, "choose", lambda question, options: 0)
    made = master_key.offer_master_key(load_settings())
    again = load_settings()
    assert 3 == again.max_workers
    assert again.keys_encryption_key == made.keys_encryption_key is not None
    assert "# end" in (tmp_path / ".env").read_text(encoding="utf-8")
