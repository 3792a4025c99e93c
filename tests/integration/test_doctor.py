"""`doctor` on a healthy installation and on broken ones: what it finds, how to mend it, and its exit code."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from llm_monitoring import projects
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.health import database, machine, spending
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.process import location
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs import records
from llm_monitoring.settings.fields import load_settings
from tests.admission import admits
from tests.environment import Environment, open_environment
from tests.fork_server import ROOT

Findings = list[dict[str, str]]


@pytest.fixture
def environment(
    database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Environment]:
    """A user with keys and a project, and a run that completed; the environment names them."""
    with open_environment(database_url) as made:
        made.db.execute("DELETE FROM llm_model_prices")  # what is known of later prices is yellow near its day
        made.add_project(made.add_user("a@example.com", budget="100.00"), ["¿Qué programa recomiendas?"])
        made.db.execute("UPDATE llm_monitoring_projects SET brand_domains = '{quipu.com}'")
        records.finish(
            made.db,
            records.start(made.db, date.today()),  # noqa: DTZ011
            "completed",
            valid=4,
            failed=0,
            pending=0,
            message=None,
        )
        for name, value in made.variables({"LLM_LOG_LEVEL": "INFO"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield made


def examine(*arguments: str) -> tuple[int, Findings]:
    result = CliRunner().invoke(root, ["doctor", "--json", *arguments], prog_name=PROGRAM)
    found: Findings = json.loads(result.stdout)
    return result.exit_code, found


def coloured(found: Findings, *colours: str) -> list[str]:
    return [f"{each['subject']}: {each['message']} → {each['mend']}" for each in found if each["colour"] in colours]


def test_a_healthy_installation_is_green(environment: Environment) -> None:
    """Where all is well everything is green, the exit code is 0, and nothing was asked that costs."""
    code, found = examine()
    assert 0 == code
    assert [] == coloured(found, "yellow", "red")
    looked_at = {each["subject"] for each in found}
    assert looked_at >= {"settings", "database", "migrations", "clock", "master key", "API key", "model", "budget",
                         "runs", "time zone", "notifications", "railway.json", ".railway"}  # fmt: skip
    assert 4 == sum(each["subject"] == "API key" for each in found)
    assert 0 == environment.server.bill.total_usd
    shown = CliRunner().invoke(root, ["doctor"], prog_name=PROGRAM)
    assert 0 == shown.exit_code
    assert f"{len(found)} green, 0 yellow, 0 red." == shown.stdout.splitlines()[-1]
    assert [] == [key for key in environment.keys if key[:-4] in shown.output]


def test_a_project_without_a_site_is_yellow(environment: Environment) -> None:
    """Of a brand without a declared site nothing can be said of citations: the command that declares one is named."""
    environment.db.execute("UPDATE llm_monitoring_projects SET brand_domains = '{}'")
    (line,) = [each for each in coloured(examine("--offline")[1], "yellow") if each.startswith("sites")]
    assert "no citation rate without a declared site: 1 P → `python -m llm_monitoring projects edit 1 --domain" in line


def test_a_refused_key_is_red(environment: Environment) -> None:
    """A key that its provider refuses is named by its last characters, with the command that mends it."""
    environment.server.faults.set([{"match": {"provider": "google"}, "action": {"kind": "status", "status": 401}}])
    code, found = examine()
    (line,) = coloured(found, "red")
    ending = environment.key_of(1, "google")[-4:]
    assert 1 == code
    assert line.startswith(f"API key: user 1's google key (ends in {ending})")
    assert line.endswith(f"→ set another one: `{PROGRAM} keys set 1 google`")


def test_offline_asks_nobody(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """--offline asks no provider; without it one that cannot be reached is no fault of the key."""
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "PERPLEXITY"):
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9")
    assert 0 == examine("--offline")[0]
    assert [] == coloured(examine("--offline")[1], "yellow", "red")
    code, found = examine()
    assert 0 == code
    assert 4 == sum("could not be tried" in line for line in coloured(found, "yellow"))


def test_a_lost_master_key_is_red(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the master key the stored keys are lost to the installation, and it says so."""
    monkeypatch.delenv("LLM_KEYS_ENCRYPTION_KEY")
    code, found = examine("--offline")
    red = coloured(found, "red")
    assert 1 == code
    assert red[0].startswith("master key: LLM_KEYS_ENCRYPTION_KEY is not set")
    assert 5 == len(red)


def test_a_bad_setting_is_red(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be read is named, and what needs no settings is examined all the same."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "many")
    code, found = examine()
    (line,) = coloured(found, "red")
    assert 1 == code
    assert "LLM_MAX_WORKERS is 'many'" in line
    assert len(found) > 3


def test_a_database_out_of_reach_is_red(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is said at once, without its password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secretpass-12345@127.0.0.1:9/x")
    code, found = examine()
    (line,) = coloured(found, "red")
    assert 1 == code
    assert line.startswith("database: cannot connect")
    assert "secretpass" not in json.dumps(found)


def test_an_empty_database_is_yellow(
    empty_database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A database without tables waits for its migrations, which doctor leaves to others."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.chdir(tmp_path)
    first, again = examine(), examine()
    assert 0 == first[0]
    assert coloured(first[1], "yellow")[0].startswith("migrations: ")
    assert coloured(first[1], "yellow") == coloured(again[1], "yellow")


OPENAI = "WHERE llm_provider = 'openai' AND is_current"
BROKEN = [
    (f"UPDATE llm_model_registry SET is_current = FALSE {OPENAI}", "red",
     "model: openai has no current model and 1 projects ask it"),
    (f"UPDATE llm_model_registry SET retires_at = now() + INTERVAL '9 days' {OPENAI}", "yellow",
     "is current and ends on"),
    (f"UPDATE llm_model_registry SET model_id = 'gpt-1-gone', last_seen_at = now() {OPENAI}", "red",
     "openai/gpt-1-gone is current and openai does not list it"),
    ("UPDATE user_llm_api_keys SET current_month_spend = 85", "red", "ledger: a user's counters are not the sum"),
    ("UPDATE llm_schema_migrations SET checksum = 'x' WHERE version = 1", "red", "was changed after it was"),
    ("UPDATE llm_monitoring_analysis_runs SET status = 'crashed'", "yellow", "ended: crashed"),
    ("UPDATE llm_monitoring_analysis_runs SET started_at = now() - INTERVAL '2 days'", "yellow",
     "none started in the last day"),
    ("UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'garbage'", "red",
     "the openai key of user 1 cannot be read"),
    ("INSERT INTO llm_monitoring_news (kind, subject, day, line) VALUES ('run', 'x', now(), 'x')", "yellow",
     "1 line waits since"),
]  # fmt: skip


@pytest.mark.short(every=6)
@pytest.mark.parametrize(("sql", "colour", "message"), BROKEN)
def test_what_is_broken_in_the_database(environment: Environment, sql: str, colour: str, message: str) -> None:
    """Each fault is found in its colour, with a way to mend it, and only red fails."""
    environment.db.execute(sql)
    code, found = examine()
    lines = coloured(found, colour)
    assert [True] == [not line.endswith("→ ") for line in lines if message in line], lines
    assert (colour == "red") == (code == 1)


def test_budgets_and_calls_of_dead_runs_are_yellow(environment: Environment) -> None:
    """A user who is near or over the limit, and open calls of no run, are reported; a living run's calls are not."""
    environment.budget.correct(1, Decimal(85), "spent elsewhere")
    call = Attempt(uuid.uuid4(), "probe", 1, "openai", "gpt-6.1-terra", "user", Decimal("0.01"))
    assert admits(environment.budget, call)
    yellow = coloured(examine("--offline")[1], "yellow")
    assert [
        "budget: user 1: 85.00 of 100.00 USD (85.0 %): near the limit",
        "runs: 1 calls of a run that died are open",
    ] == [line.partition(" → ")[0] for line in yellow]
    with records.RunLock(environment.db):
        runs_now = [each for each in examine("--offline")[1] if each["subject"] == "runs"]
    ((colour, message),) = [(each["colour"], each["message"]) for each in runs_now]
    assert "green" == colour
    assert message.startswith("a daily run is at work (pid=")
    assert message.endswith("), 1 calls are out")


@pytest.mark.parametrize(("minutes", "colour"), [(0, "green"), (0.5, "yellow"), (30, "red")])
def test_a_clock_that_is_wrong(minutes: float, colour: str) -> None:
    """A clock that differs from the database's is yellow from seconds on and red from minutes on."""

    class Elsewhere:
        def one(self, sql: str) -> dict[str, Any]:
            return {"now": datetime.now(UTC) + timedelta(minutes=minutes), "version": "16.4 (Debian)"}

    assert [colour] == [each.colour for each in database.clock(Elsewhere())]  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "colour"), [("library", "yellow"), ("admin", "green")])
def test_a_price_that_begins_soon_is_told(environment: Environment, source: str, colour: str) -> None:
    """A known rise is yellow with what to do, until an admin enters the price of its day."""
    environment.db.execute(
        "INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, detail, cost_per_1m_input_tokens,"
        " cost_per_1m_output_tokens)"
        " VALUES ('google', 'gemini-3.8-flash', now()::date + 9, %(source)s, 'a list', 1, 5)",
        {"source": source},
    )
    (message,) = [each for each in examine("--offline")[1] if each["subject"] == "price"]
    assert colour == message["colour"]
    assert message["message"].startswith("google/gemini-3.8-flash")


def test_a_price_that_is_not_the_lists_is_told(environment: Environment) -> None:
    """What the weekly check found is yellow with both figures, until an admin decides."""
    environment.db.execute(
        "UPDATE llm_model_registry SET suggested_cost_per_1m_input_tokens = 9, suggested_source = 'a list',"
        " suggested_at = now() WHERE model_id = 'gpt-6-luna'"
    )
    (message,) = [each for each in examine("--offline")[1] if "a list" in each["message"]]
    assert "yellow" == message["colour"]
    assert "openai/gpt-6-luna: the registry and a list differ: input 0.1 and 9" == message["message"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what Railway reads."""
    for name in ("railway.json", ".env.example", "daily_llm_monitoring_cron.py", "weekly_model_check_cron.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".railway", tmp_path / ".railway", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"NEVER"', '"ON_FAILURE"', "a failing run would start again and pay up to ten times more"),
        ('"deploy": {', '"deploy": {"startCommand": "x",', "`deploy` sets startCommand"),
        ("python daily_llm", "python dayly_llm", "starts what is not there: python dayly_llm_monitoring_cron.py"),
        ('"crons"', '"cron"', "has no list of schedules"),
        ("{", "", "cannot be read"),
    ],
)
def test_railway_settings_that_cost(checkout: Path, old: str, new: str, message: str) -> None:
    """What would be started wrongly, or again and again, on Railway is red."""
    path = checkout / "railway.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    found = list(machine.railway_files(checkout))
    assert [True] == [message in each.message for each in found if each.colour == "red" and each.subject != ".railway"]


def test_railway_files_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has no railway.json, which is no fault."""
    monkeypatch.setattr(location, "PACKAGE", Path("/venv/site-packages/llm_monitoring"))
    assert ["green"] == [each.colour for each in machine.railway(load_settings({}, dotenv=False))]


def test_railway_code_that_differs(checkout: Path) -> None:
    """A .railway/railway.py that has other schedules than railway.json, or is missing, is red."""
    code = checkout / ".railway" / "railway.py"
    code.write_text(code.read_text(encoding="utf-8").replace('entry["schedule"]', '"0 5 * * *"'), encoding="utf-8")
    assert ["red"] == [each.colour for each in machine.railway_files(checkout) if each.subject == ".railway"]
    code.unlink()
    assert ["red"] == [each.colour for each in machine.railway_files(checkout) if each.subject == ".railway"]


def test_variables_that_railway_needs() -> None:
    """On Railway a missing variable is red with the command that sets it."""
    settings = load_settings(
        {"RAILWAY_ENVIRONMENT_NAME": "production", "DATABASE_URL": "postgresql://h/d"}, dotenv=False
    )
    found = list(machine.railway_variables(settings))
    assert [("red", "LLM_KEYS_ENCRYPTION_KEY is not set on Railway")] == [(each.colour, each.message) for each in found]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_targets_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """A target of the digest that the library does not know is red, and no address is shown or logged."""
    settings = load_settings({"LLM_NOTIFY_URLS": "json://127.0.0.1/s3cret nonsense://s3cret"}, dotenv=False)
    found = list(machine.notifications(settings))
    assert ["green", "red"] == [each.colour for each in found]
    assert "s3cret" not in repr(found) + caplog.text
    assert not logging.getLogger("apprise").disabled


@pytest.mark.ci
def test_the_demo_tells_nobody(server_folder: Path) -> None:
    """The demo, which simulates trouble, never writes to the targets of the installation."""
    done = subprocess.run(
        [sys.executable, "-m", "llm_monitoring", "--demo", "doctor", "--offline", "--json"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LLM_DATA_DIR": str(server_folder),
             "LLM_NOTIFY_URLS": "json://127.0.0.1:9/x"},
        capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    (message,) = [each["message"] for each in json.loads(done.stdout) if each["subject"] == "notifications"]
    assert message.startswith("off:")


@pytest.mark.parametrize(
    ("folder", "colours"),
    [(None, []), ("new/reports", ["green"]), ("file/reports", ["red"]), ("file", ["red"])],
)
def test_reports_that_cannot_be_written(tmp_path: Path, folder: str | None, colours: list[str]) -> None:
    """A folder that is still to be made is fine where it can be made; the check makes none."""
    (tmp_path / "file").touch()
    given = {} if folder is None else {"LLM_REPORT_DIR": str(tmp_path / folder)}
    found = list(machine.reports(load_settings(given, dotenv=False)))
    assert colours == [each.colour for each in found]
    assert ["file"] == [each.name for each in tmp_path.iterdir()]


def test_users_that_settings_name_and_that_are_not_there(db: Database) -> None:
    """Each setting with its missing users; those that exist are no matter."""
    user = projects.add_user(db, "ana@example.com")
    wanted = {"LLM_OPERATOR_KEYS_FOR": f"{user},98,99", "LLM_OPERATOR_USER_ID": "97"}
    found = list(spending.named_users(db, load_settings(wanted, dotenv=False)))
    assert [
        "LLM_OPERATOR_KEYS_FOR names users that do not exist: #98, #99",
        "LLM_OPERATOR_USER_ID names users that do not exist: #97",
    ] == [each.message for each in found]
    fine = {"LLM_OPERATOR_KEYS_FOR": str(user), "LLM_OPERATOR_USER_ID": str(user)}
    assert [] == list(spending.named_users(db, load_settings(fine, dotenv=False)))
