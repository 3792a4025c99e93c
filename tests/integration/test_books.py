"""The audit's repairs and the comparison with a provider's own figures, through the command line."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Secret
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.reconciliation import model_key
from llm_monitoring.runs import records
from tests.admission import admits

MASTER = Fernet.generate_key().decode()
KEYS = {1: "sk-proj-books-000000000000000000000000AAAA", 2: "sk-proj-books-000000000000000000000000BBBB"}


@pytest.fixture
def books(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Budget:
    """Two users with a key each, and a clean ledger."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", MASTER)
    for user, key in KEYS.items():
        assert projects.add_user(db, f"u{user}@example.com") == user
        KeyStore(db, KeyCipher(MASTER), {}).store(user, "openai", Secret(key))
    return Budget(db)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["budget", *arguments])


def told(*arguments: str) -> Any:
    return json.loads(command(*arguments, "--json").stdout)


def reserve(
    books: Budget, user: int, model: str = "gpt-6.1-terra", ceiling: str = "0.5", run: int | None = None
) -> Attempt:
    call = Attempt(uuid.uuid4(), "probe", user, "openai", model, "user", Decimal(ceiling), run_id=run)
    assert admits(books, call)
    return call


def settle(books: Budget, call: Attempt, cost: str | None) -> None:
    """Charge a call its cost; None: nobody knows, so its ceiling."""
    assert books.mark_sent(call)
    outcome = Settlement("unknown") if cost is None else Settlement("settled", Decimal(cost))
    books.db.transact(lambda tx: books.close(tx, call.id, outcome))


def test_audit_fix_repairs_counters_from_the_ledger(books: Budget) -> None:
    """Counters that were changed by hand are set to the sums of their entries, and the repair is told to the digit."""
    settle(books, reserve(books, 1), "0.1234567891")
    open_call = reserve(books, 1)
    settle(books, reserve(books, 2), "0.25")
    books.db.execute("UPDATE user_llm_api_keys SET current_month_spend = 9, reserved_spend_usd = 0 WHERE user_id = 1")
    found = told("audit")
    assert found["in_balance"] is False
    assert [row["user_id"] for row in found["differences"]] == [1]
    assert [row["id"] for row in found["differences"][0]["entries"]][1:] == [str(open_call.id)]
    result = command("audit", "--fix")
    assert result.exit_code == 0
    assert all(figure in result.stdout for figure in ("9.0000000000", "0.1234567891", "0.5000000000", "Repaired: "))
    assert 0 == command("audit").exit_code
    assert told("audit", "--fix")["repaired"] == []
    account = books.db.one("SELECT current_month_spend, reserved_spend_usd FROM user_llm_api_keys WHERE user_id = 1")
    assert account == {"current_month_spend": Decimal("0.1234567891"), "reserved_spend_usd": Decimal("0.5")}


def test_a_repair_raises_the_alert_that_the_wrong_counter_had_hidden(books: Budget) -> None:
    """A user whose true spend is over the threshold gets the alert with the repair."""
    books.set_limits(1, Decimal(1), Decimal(80))
    settle(books, reserve(books, 1, ceiling="0.9"), "0.85")
    books.db.execute("DELETE FROM llm_budget_alerts")
    books.db.execute("UPDATE user_llm_api_keys SET current_month_spend = 0 WHERE user_id = 1")
    assert command("audit", "--fix").exit_code == 0
    assert [row["threshold"] for row in books.db.all("SELECT threshold FROM llm_budget_alerts")] == [Decimal(80)]


@pytest.mark.ci
def test_repairs_beside_a_run_lose_nothing(books: Budget) -> None:
    """Calls are reserved and settled while counters are repaired over and over: they agree in the end."""

    def spend(_: int) -> None:
        settle(books, reserve(books, 1, ceiling="0.01"), "0.007")

    def repair(_: int) -> None:
        books.repair(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (spend if n % 2 else repair)(n), range(400)))
    assert books.audit().differences == []
    assert books.repair(1) is None
    assert books.standings()[0].spent_usd == Decimal("1.4")


def test_audit_finds_what_a_later_run_left_open(books: Budget) -> None:
    """An open call of a dead run is a note until a later run has ended without settling it."""
    dead = records.start(books.db, date(2026, 11, 22))
    reserve(books, 1, run=dead)
    assert 0 == command("audit").exit_code
    assert told("audit")["left_open"] == []
    later = records.start(books.db, date(2026, 11, 23))
    records.finish(books.db, later, "completed", valid=0, failed=0, pending=0, message=None)
    result = command("audit")
    assert 1 == result.exit_code
    assert "calls of a dead run that a later run did not settle" in result.stdout


def test_audit_finds_a_call_above_the_limit(books: Budget) -> None:
    """The admission of every call is judged by what stood beside it, also where the database's own rule is gone."""
    call = reserve(books, 1)
    books.db.execute("ALTER TABLE llm_call_attempts DROP CONSTRAINT llm_call_attempts_admitted_within_budget")
    books.db.execute("UPDATE llm_call_attempts SET committed_usd = budget_usd + 1")
    assert [row["id"] for row in told("audit")["over_admitted"]] == [str(call.id)]
    assert command("audit").exit_code == 1


@pytest.fixture
def october(books: Budget) -> Budget:
    """A month with two keys, two models, one call in doubt."""
    settle(books, reserve(books, 1), "0.40")
    settle(books, reserve(books, 1, "gpt-6-luna"), "0.10")
    settle(books, reserve(books, 2), "0.20")
    settle(books, reserve(books, 2, ceiling="0.002"), None)
    books.db.execute("UPDATE llm_call_attempts SET month = '2026-10-01'")
    return books


def reconcile(tmp_path: Path, text: str, *arguments: str) -> Result:
    (tmp_path / "export.csv").write_text(text, "utf-8")
    file = str(tmp_path / "export.csv")
    return command("reconcile", "--provider", "openai", "--csv", file, "--month", "2026-10", *arguments)


OPENAI = """start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id
1790812800,1790899200,2026-10-01T00:00:00+00:00,2026-10-02T00:00:00+00:00,0.35,usd,"gpt-6.1-terra-2026-06-01, input",p
1790812800,1790899200,2026-10-01T00:00:00+00:00,2026-10-02T00:00:00+00:00,0.25,usd,"gpt-6.1-terra-2026-06-01, output",p
1793404800,1793491200,2026-10-31T00:00:00+00:00,2026-11-01T00:00:00+00:00,0.10,usd,"gpt-6-luna, input",p
1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,7.00,usd,"gpt-6-luna, input",p
"""
ANTHROPIC = """usage_date_utc;Model;API Key;Token Type;Cost (USD)
2026-10-05;gpt-6.1-terra;sk-proj-…AAAA;input;0.40
2026-10-06;gpt-6-luna;sk-proj-…AAAA;output;0.10
2026-10-06;gpt-6.1-terra;sk-proj-…BBBB;output;0.2
"""
GENERIC = """date,model,api_key_last4,cost_usd
2026-10-05,gpt-6.1-terra,AAAA,0.30
2026-10-06,gpt-6-luna,AAAA,$0.10
2026-10-06,gpt-6.1-terra,BBBB,0.202
"""


CONSOLE = """usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,\
cost_type,inference_geo,speed,api_key_id,api_key_status
2026-10-05,Claude Sonnet 4.5,Default,cron-ana,message,≤ 200k,input_no_cache,0.08,0.08,token,global,,apikey_01A,active
2026-10-05,Claude Sonnet 4.5,Default,cron-ana,message,≤ 200k,output,0.40,0.40,token,global,,apikey_01A,active
2026-10-05,Claude Haiku 3.5,Default,cron-ana,message,≤ 200k,output,0.01,0.01,token,global,,apikey_01A,active
"""


@pytest.mark.short(every=2)
@pytest.mark.parametrize("export", [OPENAI, ANTHROPIC])
def test_reconcile_agrees_within_one_percent(october: Budget, tmp_path: Path, export: str) -> None:
    """The columns of either export are found; a call in doubt may stand above the bill."""
    result = reconcile(tmp_path, export)
    assert 0 == result.exit_code, result.output
    assert "They agree within 1 %." in result.stdout, result.output


def test_reconcile_names_the_key_and_model_that_differ(october: Budget, tmp_path: Path) -> None:
    """Key by key, in USD and in percent of what the provider billed; beyond one percent the exit code is 1."""
    result = reconcile(tmp_path, GENERIC, "--json")
    found = json.loads(result.stdout)
    lines = [(row["key"], row["model"], row["difference_usd"], row["percent"]) for row in found["lines"]]
    assert 1 == result.exit_code
    assert lines == [
        ("…AAAA", "gpt-6-luna", "0.0000000000", "0.00"),
        ("…AAAA", "gpt-6.1-terra", "0.1000000000", "33.33"),
        ("…BBBB", "gpt-6.1-terra", "0.0000000000", "0.00"),
    ]
    assert "THEY DIFFER" in reconcile(tmp_path, GENERIC).stdout


def test_reconcile_shows_what_the_ledger_does_not_know(october: Budget, tmp_path: Path) -> None:
    """A key or model that only the provider names is a line with nothing in the ledger."""
    found = json.loads(reconcile(tmp_path, GENERIC + "2026-10-07,gpt-4,ZZZZ,5\n", "--json").stdout)
    assert ("ZZZZ", "gpt-4", "0", "-100.00") in [
        (row["key"], row["model"], row["ledger_usd"], row["percent"]) for row in found["lines"]
    ]


def test_reconcile_with_display_names_and_whole_cents(books: Budget, tmp_path: Path) -> None:
    """Anthropic's export as it is: display names are their models, key names split nothing, cents may be rounded."""
    for model, cost in (("claude-sonnet-4-5-20250929", "0.4881"), ("claude-3-5-haiku-20241022", "0.0124")):
        settle(books, reserve(books, 1, model), cost)
    books.db.execute("UPDATE llm_call_attempts SET month = '2026-10-01', llm_provider = 'anthropic'")
    file = tmp_path / "anthropic.csv"
    file.write_text(CONSOLE, "utf-8")
    arguments = ("reconcile", "--csv", str(file), "--month", "2026-10", "--json", "--provider")
    found = command(*arguments, "anthropic")
    lines = [(row["key"], row["model"], row["provider_usd"]) for row in json.loads(found.stdout)["lines"]]
    assert [("all", "claude-3-5-haiku", "0.01"), ("all", "claude-sonnet-4-5", "0.48")] == lines
    assert 0 == found.exit_code
    assert "is an export of anthropic: give --provider anthropic" in command(*arguments, "openai").stderr


def test_reconcile_of_sums_alone(october: Budget, tmp_path: Path) -> None:
    """An export that is grouped by nothing is compared by its sum, and says so."""
    header = "start_time_iso,amount_value,amount_currency,line_item\n"
    result = reconcile(tmp_path, f"{header}2026-10-01T00:00:00+00:00,0.7001,usd,\n")
    assert "grouped by nothing: only the sum is compared" in result.stdout
    assert "They agree" in result.stdout, result.stdout
    assert 0 == result.exit_code, result.stdout


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Claude Sonnet 4.5", "claude-sonnet-4-5"),
        ("Claude Haiku 3.5", "claude-3-5-haiku-20241022"),
        ("Claude Opus 4", "claude-opus-4-20250514"),
        ("Claude Opus 4", "claude-opus-4-0"),
        ("Claude Sonnet 4.5 (20250929)", "claude-sonnet-4-5"),
        ("GPT-4o mini", "gpt-4o-mini-2024-07-18"),
        ("Gemini 2.5 Flash", "models/gemini-2.5-flash"),
        ("claude-3-7-sonnet-latest", "Claude Sonnet 3.7"),
    ],
)
def test_display_names(name: str, other: str) -> None:
    """A display name and its model's id, with or without a date, are one model; other versions are others."""
    assert model_key(name) == model_key(other)
    assert model_key("Claude Sonnet 4.5") not in (model_key("claude-sonnet-4"), model_key("claude-opus-4-5"))


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,model\n2026-10-01,x\n", "line 1: no column for the cost: name one of cost_usd"),
        ("date,model,cost\nsoon,x,1\n", "line 2: 'soon' is no day"),
        ("date,model,cost\n2026-10-01,x,NaN\n", "line 2: 'NaN' is no amount in USD"),
        ("date,model,cost,currency\n2026-10-01,x,1,EUR\n", "line 2: 'EUR' is not USD"),
    ],
)
def test_reconcile_refuses_what_it_cannot_read(books: Budget, tmp_path: Path, text: str, message: str) -> None:
    """A file that is no export ends with one line that names the place."""
    result = reconcile(tmp_path, text)
    assert 2 == result.exit_code, result.output
    assert message in result.stderr, result.output
