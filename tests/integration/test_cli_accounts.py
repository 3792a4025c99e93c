"""The commands on users, keys and budgets: what each does and what it refuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import uuid
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet

from llm_monitoring.db.database import Database
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from tests.admission import admits
from tests.integration.command_line import EMAIL, KEY, MASTER, NEWER, ROOT, Cli


def test_users(cli: Cli) -> None:
    """A user is added once, whatever the case of the address, and listed."""
    assert "There are no users yet: `users add`.\n" == cli.done("users", "list")
    assert f"User 1 added: {EMAIL}\n" == cli.done("users", "add", EMAIL)
    assert "'ana' is no e-mail address" == cli.refused("users", "add", "ana")
    assert "'mailto:a@b.example' is no e-mail address" == cli.refused("users", "add", "mailto:a@b.example")
    assert "a user with the address ANA@agency.example exists already" == cli.refused(
        "users", "add", "ANA@agency.example"
    )
    assert [{"id": 1, "email": EMAIL}] == cli.json("users", "list")
    assert EMAIL in cli.done("users", "list")


def test_one_address_of_two_users(cli: Cli, db: Database) -> None:
    """If a host application has an address twice, no command guesses which user is meant."""
    db.execute("INSERT INTO users (email) VALUES ('x@y.example'), ('X@y.example')")
    assert "2 users have the address 'x@y.example': give the number of one instead" == cli.refused(
        "budget", "set", "x@y.example", "--limit", "5"
    )
    cli.done("budget", "set", "2", "--limit", "5")


@pytest.mark.short(every=3)
@pytest.mark.parametrize("stdin", [KEY, f"  {KEY}\r\n", f"\ufeff{KEY}\n"])
def test_key_from_a_pipe(cli: Cli, db: Database, ana: int, stdin: str) -> None:
    """A key comes in by standard input, is stored sealed, and is shown by its last four characters alone."""
    stored = cli.done("keys", "set", EMAIL, "openai", stdin=stdin)
    assert f"Stored the openai key of user 1 ({EMAIL}), which ends in 4321.\n" == stored
    row = db.one("SELECT openai_api_key_encrypted AS token FROM user_llm_api_keys WHERE user_id = 1")
    assert row is not None
    assert KEY == KeyCipher(MASTER).decrypt(row["token"], 1, "openai").reveal()
    listed = {
        "user_id": 1,
        "email": EMAIL,
        "provider": "openai",
        "source": "user",
        "last_four": "4321",
        "bound": True,
        "problem": None,
    }
    assert [listed] == cli.json("keys", "list", "1")
    table = cli.done("keys", "list")
    assert "4321" in table
    assert "bound" in table
    assert KEY[:-4] not in stored + table


@pytest.mark.ci
def test_key_from_a_prompt(cli: Cli, db: Database, ana: int) -> None:
    """In a terminal the key is asked for and what is typed is not echoed."""
    controller, terminal = pty.openpty()
    # a session's first terminal becomes its own, which is where a hidden prompt reads
    line = 'exec "$@" <"$0" >"$0" 2>"$0"'
    command = [sys.executable, "-m", "llm_monitoring", "keys", "set", "1", "OpenAI"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        ["sh", "-c", line, os.ttyname(terminal), *command], env=environment, start_new_session=True
    )
    shown = b""
    while b"(not shown)" not in shown:
        shown += os.read(controller, 1000)
    os.write(controller, f"{KEY}\n".encode())
    while b"4321" not in shown:
        shown += os.read(controller, 1000)
    assert 0 == process.wait(20)
    os.close(terminal)
    os.close(controller)
    assert KEY.encode()[:-4] not in shown
    row = db.one("SELECT openai_api_key_encrypted AS token FROM user_llm_api_keys WHERE user_id = 1")
    assert row is not None
    assert KEY == KeyCipher(MASTER).decrypt(row["token"], 1, "openai").reveal()


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("1", "openai", KEY), None, "a key is never an argument"),
        (("1", "openai", "--key", KEY), None, "a key is never an argument"),
        (("1", f"--key={KEY}", "openai"), None, "Invalid value for 'PROVIDER': choose one of openai, anth"),
        (("openai", KEY), None, "Invalid value for 'PROVIDER': choose one of openai, anth"),
        (("1", "openai"), "", "no key arrived on standard input"),
        (("1", "openai"), " \n", "no key arrived on standard input"),
        (("1", "openai"), f"{KEY}\n{KEY}\n", "this is no API key: it must be the key alone, and this has se"),
        (("1", "openai"), KEY.encode() + b"\xf1\xff", "this is no API key: it must be one line of printable ASCII"),
        (("1", "anthropic"), f"sk-proj-{KEY}", "this is a key of openai, and anthropic must not see it: store"),
        (("2", "openai"), KEY, "user '2' does not exist"),
    ],
)
def test_key_refused(
    cli: Cli, db: Database, ana: int, arguments: tuple[str, ...], stdin: str | bytes | None, message: str
) -> None:
    """A key that is given as an argument, or is none, is refused without being repeated, and nothing is stored."""
    said = cli.refused("keys", "set", *arguments, stdin=stdin)
    assert message == said[: len(message)]
    assert KEY[4:-4] not in said
    assert [] == db.all("SELECT * FROM user_llm_api_keys")


def test_key_without_master_key(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a master key none is stored, and the line says how to make one."""
    monkeypatch.delenv("LLM_KEYS_ENCRYPTION_KEY")
    said = cli.refused("keys", "set", "1", "openai", stdin=KEY, code=1)
    assert said.startswith("LLM_KEYS_ENCRYPTION_KEY is not set and API keys are never stored in the clear: make one")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", "no-fernet-key")
    said = cli.refused("keys", "list", code=1)
    assert said.startswith("LLM_KEYS_ENCRYPTION_KEY must be")
    assert "no-fernet-key" not in said


def test_keys_list_tells_problems_and_the_operators(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's keys are listed, and a key that cannot be read says why."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", NEWER)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-operator-key-000-9876")
    operators, users = cli.json("keys", "list")
    assert "anthropic" == operators["provider"]
    assert "operator" == operators["source"]
    assert operators["user_id"] is None
    assert "9876" == operators["last_four"]
    assert users["last_four"] is None
    assert "sealed_otherwise" == users["problem"]["reason"]
    assert [users] == cli.json("keys", "list", EMAIL)
    assert "no master key in LLM_KEYS_ENCRYPTION_KEY decrypts it" in cli.done("keys", "list")
    assert cli.refused("keys", "rotate", code=1).startswith(
        "1 stored keys cannot be read, so none was changed (user 1 google)"
    )


@pytest.mark.ci
def test_keys_rotate(cli: Cli, db: Database, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotation seals every key under the newest master key and binds the older form to its user."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    bare = Fernet(MASTER).encrypt(b"sk-an-older-key-000").decode()
    db.execute("UPDATE user_llm_api_keys SET openai_api_key_encrypted = %(bare)s", {"bare": bare})
    assert "older: `keys rotate`" in cli.done("keys", "list")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", f"{NEWER},{MASTER}")
    assert "Keys encrypted again: 2, up to date already: 0.\n" == cli.done("keys", "rotate")
    assert "Keys encrypted again: 0, up to date already: 2.\n" == cli.done("keys", "rotate")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", NEWER)
    assert [True, True] == [key["bound"] for key in cli.json("keys", "list")]


def test_keys_remove(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing a key says what is left of it, and removing none is refused."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    said = f"Removed the google key of user 1 ({EMAIL}): "
    assert f"{said}no call to that provider is made for this user any more.\n" == cli.done(
        "keys", "remove", EMAIL, "google", "--yes"
    )
    assert "user 1 has no google key: see `python -m llm_monitoring keys list`" == cli.refused(
        "keys", "remove", "1", "google"
    )
    cli.done("keys", "set", "1", "google", stdin=KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza-operator-000")
    assert f"{said}the operator's key stands in.\n" == cli.done("keys", "remove", "1", "google", "--yes")


def test_budget_show_and_set(cli: Cli, ana: int) -> None:
    """A limit and a threshold are set alone or together, and the month is shown for everybody or for one."""
    said = "Nothing spent and no limit set: the first call opens an account with 100.00 USD a month.\n"
    assert said == cli.done("budget", "show")
    cli.done("users", "add", "luis@agency.example")
    assert (
        f"User 1 ({EMAIL}) may spend 12.50 USD a month, with an alert at 80.00 %; 0.0000 USD are spent this month.\n"
    ) == cli.done("budget", "set", EMAIL, "--limit", "12.5")
    cli.done("budget", "set", "1", "--threshold", "75.5%")
    cli.done("budget", "correct", "1", "10", "--reason", "before")
    cli.done("budget", "set", "2", "--limit", "1")
    shown = cli.json("budget", "show", EMAIL)[0]
    assert not shown.pop("pacing")["is_on"]
    assert {
        "user_id": 1, "email": EMAIL, "spent_usd": "10.0000000000", "reserved_usd": "0.0000000000", "saved_usd": "0",
        "budget_usd": "12.50", "percent": "80.0", "threshold": "75.50", "state": "near the limit", "forecast": None,
        "answers_out": 0, "out_until": None,
    } == shown  # fmt: skip
    assert ["near the limit", "ok"] == [row["state"] for row in cli.json("budget", "show")]
    assert all(each in cli.done("budget", "show") for each in (EMAIL, "10.0000", "12.50", "near the limit", "75.50"))
    cli.done("budget", "correct", "2", "1", "--reason", "all of it")
    assert ["blocked"] == [row["state"] for row in cli.json("budget", "show", "2")]


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "1"), "say what to set: --limit USD, --threshold PERCENT, or both"),
        (("set", "1", "--limit", "-1"), "'-1' is no limit: it must be an amount in USD from 0 to below 100000000"),
        (("set", "1", "--limit", "1.005"), "'1.005' is no limit: it must be an amount"),
        (("set", "1", "--limit", "NaN"), "'NaN' is no limit: it must be an amount"),
        (("set", "1", "--threshold", "101"), "'101' is no percentage from 0 to 100, with two decimals at most"),
        (("set", "1", "--threshold", "-1"), "'-1' is no percentage from 0 to 100"),
        (("correct", "1", "ten", "--reason", "x"), "'ten' is no amount in USD"),
        (("correct", "1", "0", "--reason", "x"), "'0' is no correction: give an amount other than 0"),
        (("correct", "1", "0.00000000001", "--reason", "x"), "'0.00000000001' is no correction"),
        (("correct", "1", "1", "--reason", " "), "a correction needs a reason: --reason TEXT"),
        (("correct", "1", "1"), "Missing option '--reason'; see `python -m llm_monitoring budget correct --help`"),
        (("correct", "1", "-1", "--reason", "x"), "user 1: a correction of -1 USD would make the spend negative"),
    ],
)
def test_budget_refused(cli: Cli, db: Database, ana: int, arguments: tuple[str, ...], message: str) -> None:
    """An amount that no budget can hold is refused, and the ledger stays empty."""
    assert message == cli.refused("budget", *arguments)[: len(message)]
    assert [] == db.all("SELECT * FROM llm_call_attempts")


def test_budget_correct(cli: Cli, db: Database, ana: int) -> None:
    """A correction, also a negative one, is a ledger entry with its reason, and the books stay in balance."""
    assert f"User 1 ({EMAIL}): +1.5 USD entered; 1.5000 USD are spent this month.\n" == cli.done(
        "budget", "correct", "1", "1.5", "--reason", "a call by hand"
    )
    assert "-0.2500000001 USD entered; 1.2500 USD" in cli.done(
        "budget", "correct", EMAIL, "-0.2500000001", "--reason", "refund"
    )
    assert [("a call by hand", Decimal("1.5")), ("refund", Decimal("-0.2500000001"))] == [
        (row["error_message"], row["charged_usd"])
        for row in db.all("SELECT error_message, charged_usd FROM llm_call_attempts ORDER BY reserved_at")
    ]
    assert (
        "Ledger entries: 2, users: 1, charged in all: 1.2499999999 USD.\n"
        "No difference: every counter is the sum of its ledger entries.\n"
    ) == cli.done("budget", "audit")


def test_audit_finds_a_difference(cli: Cli, db: Database, ana: int) -> None:
    """A counter that is not the sum of its ledger is listed to the last digit, and the exit code is 1."""
    cli.done("budget", "correct", "1", "1.5", "--reason", "x")
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 1.4999999999")
    result = cli.run("budget", "audit")
    assert 1 == result.exit_code
    assert "" == result.stderr
    assert "NOT IN BALANCE: the counters of 1 user" in result.stdout
    assert "1.4999999999" in result.stdout
    assert "1.5000000000" in result.stdout
    found = cli.run("budget", "audit", "--json")
    difference = json.loads(found.stdout)["differences"][0]
    assert 1 == found.exit_code
    assert "1.4999999999" == difference["counted_spent"]
    assert "1.5000000000" == difference["ledger_spent"]


@pytest.mark.ci
def test_audit_notes(cli: Cli, db: Database, ana: int) -> None:
    """Open calls, calls above their ceiling and users above their limit are notes, and no difference."""
    ledger = Budget(db)
    calls = [Attempt(uuid.uuid4(), "probe", 1, "openai", "gpt-x", "user", Decimal("0.5")) for _ in range(2)]
    assert [True, True] == [admits(ledger, call) and ledger.mark_sent(call) for call in calls]
    db.execute(
        "UPDATE llm_call_attempts SET state = 'settled', charged_usd = 0.75, closed_at = now() WHERE id = %(id)s",
        {"id": str(calls[0].id)},
    )
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 0.75, reserved_spend_usd = 0.5")
    cli.done("budget", "set", "1", "--limit", "1")
    printed = cli.done("budget", "audit")
    for note in ("No difference", "spent and reserved above the limit", "billed above their reserv", "calls open now"):
        assert note in printed
    found = cli.json("budget", "audit")
    assert found["in_balance"] is True
    assert ["1.00"] == [row["budget_usd"] for row in found["over_budget"]]
    assert ["0.7500000000"] == [row["charged_usd"] for row in found["over_ceiling"]]
    assert [1] == [row["attempts"] for row in found["open_attempts"]]


def test_keys_rotate_names_what_it_leaves(cli: Cli, db: Database, ana: int) -> None:
    """A stored value that is no key ends rotation with exit code 1 and its name, after every other key is sealed."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    db.execute("UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'garbage'")
    result = cli.run("keys", "rotate")
    assert 1 == result.exit_code
    assert "Keys encrypted again: 0, up to date already: 1.\n" == result.stdout
    assert (
        "1 stored values were left as they are, every other key is encrypted: the openai key of user 1" in result.stderr
    )
