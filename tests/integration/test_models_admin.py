"""The commands on models: prices, approval, activation, comparison; nothing is free or unrecorded."""

from __future__ import annotations

import getpass
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llm_monitoring import registry
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Conflict, Database, Rejected
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import BadInput
from llm_monitoring.model_review import check
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import admin as model_admin
from llm_monitoring.registry.admin import Author
from tests.environment import Environment, open_environment
from tests.fork_server import ROOT

PROMPTS = [
    "¿Qué programa de facturación recomiendas para autónomos?",
    "Mejores programas de facturación online",
    "¿Qué software usan las asesorías?",
    "Compara programas de facturación y precios",
    "¿Qué programa cumple con Verifactu?",
    "¿Qué herramienta uso para el IVA trimestral?",
    "¿Qué app de facturas es más fácil de usar?",
]
BRANDED = "¿Qué opinas de Quipu?"
ME = Author("test", "a test")
RATES = ("input", "output", "cached", "cache_write")
TODAY = datetime.now(UTC).date()


@dataclass
class Admin:
    """Runs the command line in this process, on an environment."""

    environment: Environment

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(root, ["models", *arguments])
        self.environment.output.append(result.output)
        return result

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert 0 == result.exit_code, result.output
        assert "" == result.stderr, result.output
        return result.stdout

    def refused(self, *arguments: str, code: int = 2) -> str:
        """Run what must fail with one line, nothing on standard output, and return the line."""
        result = self.run(*arguments)
        assert code == result.exit_code, result.output
        assert 1 == result.stderr.count("\n"), result.output
        assert result.stderr.startswith("error: ")
        return result.stderr.removeprefix("error: ").rstrip("\n")

    def row(self, provider: ProviderName, model_id: str) -> dict[str, Any]:
        return model_admin.find_row(self.environment.db, provider, model_id)

    def state(self) -> tuple[list[dict[str, Any]], int, Decimal, int]:
        """All that a refused command must leave alone: registry, changelog, bill and ledger."""
        return (
            self.environment.rows("SELECT * FROM llm_model_registry ORDER BY id"),
            self.environment.count("llm_model_changelog"),
            self.environment.billed(),
            self.environment.count("llm_call_attempts"),
        )

    def current(self, provider: str = "openai") -> list[str]:
        rows = self.environment.rows(
            f"SELECT model_id FROM llm_model_registry WHERE is_current AND llm_provider = '{provider}'"
        )
        return [row["model_id"] for row in rows]


@pytest.fixture
def admin(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Admin]:
    """A database with one user, who has every key, and loopback providers that keep a bill."""
    with open_environment(database_url) as environment:
        for name, value in environment.variables({"LLM_LOG_LEVEL": "INFO"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        environment.add_user("a@example.com")
        yield Admin(environment)


def register(admin: Admin, provider: ProviderName, model_id: str) -> None:
    """Bring a model in as the weekly check does."""
    listed = [info for info in admin.environment.server.models.listed(provider) if info.get("id") == model_id]
    assert listed
    now = admin.environment.rows("SELECT now()")[0]["now"]
    check.insert_new_model(admin.environment.db, provider, ModelInfo(model_id, model_id), now)


# --- what activate refuses


@pytest.mark.short(every=4)
@pytest.mark.parametrize("suggested", [True, False])
def test_activate_without_prices(admin: Admin, *, suggested: bool) -> None:
    """An approved model without prices is refused in one line with code 2, a suggestion or not; nothing changes."""
    model_id = "gpt-5.4-nano" if suggested else "gpt-6.2-sol"
    register(admin, "openai", model_id)
    admin.done("approve", "openai", model_id, "--reason", "reviewed")
    assert suggested is bool(admin.row("openai", model_id)["suggested_cost_per_1m_input_tokens"])
    before = admin.state()
    line = admin.refused("activate", "openai", model_id, "--user", "1", "--yes", "--reason", "x")
    expected = (
        f"openai/{model_id} has no prices above zero: set them with "
        f"`python -m llm_monitoring models price openai {model_id}`"
    )
    assert before == admin.state()
    assert expected == line


@pytest.mark.short(every=3)
@pytest.mark.parametrize("step", ["new", "rejected", "retired"])
def test_activate_without_approval(admin: Admin, step: str) -> None:
    """A priced model that is not approved is refused with code 2; nothing changes."""
    if step != "new":
        admin.done(
            step.removesuffix("ed") if step == "rejected" else "retire", "openai", "gpt-5.4-mini", "--reason", "x"
        )
    before = admin.state()
    line = admin.refused("activate", "openai", "gpt-5.4-mini", "--user", "1", "--yes", "--reason", "x")
    assert before == admin.state()
    assert line.startswith(f"openai/gpt-5.4-mini is {step}, not approved")


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("openai", "gpt-0", "--user", "1", "--yes", "--reason", "x"), "model openai/gpt-0 is not registered"),
        (("openai", "gpt-6-luna", "--yes", "--reason", "x"), "say who pays for the question: --user USER"),
        (("openai", "gpt-6-luna", "--user", "9", "--yes", "--reason", "x"), "user '9' does not exist"),
        (("openai", "gpt-6-luna", "--user", "1", "--yes"), "a change of the registry needs a reason: --reason TEXT"),
        (("openai", "gpt-6-luna", "--user", "1", "--yes", "--reason", " "), "a change of the registry needs a reason"),
        (("openai", "gpt-6-luna", "--user", "1", "--reason", "x"), "there is no terminal to confirm on: add --yes"),
        (("mistral", "m"), "Invalid value for 'PROVIDER': "),
    ],
)
def test_activate_bad_input(admin: Admin, arguments: tuple[str, ...], message: str) -> None:
    """What is missing is said in one line with code 2, before anything is paid or changed."""
    before = admin.state()
    line = admin.refused("activate", *arguments)
    assert before == admin.state()
    assert message == line[: len(message)]


def test_raw_sql_is_refused(admin: Admin) -> None:
    """The database itself refuses a current model without price or approval, a second one, and a price of zero."""
    register(admin, "openai", "gpt-6.2-sol")
    db = admin.environment.db
    own = "UPDATE llm_model_registry SET {} WHERE model_id = '{}'"
    switch_off = own.format("is_current = FALSE", "gpt-6.1-terra")
    refused: list[tuple[type[Rejected | Conflict], str]] = [
        (Rejected, own.format("is_available = TRUE, is_current = TRUE", "gpt-6.2-sol")),
        (Rejected, own.format("is_current = TRUE", "gpt-5.4-mini")),
        (Rejected, own.format("cost_per_1m_output_tokens = 0", "gpt-6.1-terra")),
        (Rejected, own.format("cost_per_1m_input_tokens = NULL", "gpt-6.1-terra")),
        (Rejected, own.format("is_available = FALSE", "gpt-6.1-terra")),
        (Rejected, own.format("rejected_at = now()", "gpt-6.1-terra")),
        (Rejected, own.format("retired_at = now()", "gpt-6.1-terra")),
        (Rejected, own.format("cost_per_1m_input_tokens = -1", "gpt-6-luna")),
        (Conflict, own.format("is_current = TRUE", "gpt-6-luna")),
    ]
    for error, sql in refused:
        first = switch_off if "gpt-6.2" in sql else "SELECT 1"
        with pytest.raises(error) as caught:
            db.transact(lambda tx, first=first, sql=sql: [tx.execute(each) for each in (first, sql)])  # type: ignore[misc]
        assert isinstance(caught.value, (Rejected, Conflict))
        assert (caught.value.constraint or "").startswith("llm_model_registry_")
    assert ["gpt-6.1-terra"] == admin.current()


def test_a_suggestion_is_never_charged(admin: Admin) -> None:
    """A model with suggested prices alone has no price for a call, and is no judge either."""
    register(admin, "openai", "gpt-5.4-nano")
    admin.done("approve", "openai", "gpt-5.4-nano", "--reason", "x")
    model = registry.find_model(admin.environment.db, "openai", "gpt-5.4-nano")
    judge = registry.read_catalogue(admin.environment.db).judge(frozenset({"openai"}), TODAY)
    assert model is not None
    assert model.prices is None
    assert "gpt-6-luna" == (judge and judge.model_id)


# --- activation


def test_activation_from_detection_to_the_next_run(admin: Admin) -> None:
    """Priced, approved, asked at the user's expense to the digit of the bill, switched, on record, used by the run."""
    register(admin, "openai", "gpt-5.4-nano")
    admin.done("price", "openai", "gpt-5.4-nano", "--suggested", "--reason", "checked")
    admin.done("approve", "openai", "gpt-5.4-nano", "--reason", "reviewed", "--reasoning-effort", "low")
    output = admin.done("activate", "openai", "gpt-5.4-nano", "--user", "a@example.com", "--yes", "--reason", "cheaper")
    attempt = admin.environment.rows("SELECT * FROM llm_call_attempts")[0]
    charge = admin.environment.server.bill.lines[0]
    assert 1 == len(admin.environment.server.bill.lines)
    assert 1 == admin.environment.count("llm_call_attempts")
    assert "probe" == attempt["kind"]
    assert "settled" == attempt["state"]
    assert 1 == attempt["user_id"]
    assert attempt["project_id"] is None
    assert "user" == attempt["key_source"]
    assert (
        admin.environment.billed()
        == attempt["charged_usd"]
        == admin.environment.spent(1)
        == Decimal(charge.price_usd)
        > 0
    )
    assert attempt["charged_usd"] <= attempt["ceiling_usd"]
    assert f"cost {attempt['charged_usd']} USD." in output
    assert f"{attempt['input_tokens']} tokens in, {attempt['output_tokens']} out" in output
    assert "Answered by gpt-5.4-nano-2026-03-17" in output
    body = json.loads(bytes(admin.environment.rows("SELECT body FROM llm_call_receipts")[0]["body"]))
    said = next(part["text"] for item in body["output"] if item["type"] == "message" for part in item["content"])
    assert said.splitlines()[0] in output
    assert output.endswith("openai/gpt-5.4-nano answers for openai from now on, in place of gpt-6.1-terra.\n")
    latest = model_admin.history(admin.environment.db, "openai", None, 2)
    assert {"gpt-5.4-nano": [False, True], "gpt-6.1-terra": [True, False]} == {
        row["model_id"]: row["changes"]["is_current"] for row in latest
    }
    assert {(f"cli:{getpass.getuser()}", "cheaper")} == {(row["changed_by"], row["reason"]) for row in latest}
    assert admin.row("openai", "gpt-5.4-nano")["validated_at"] is not None
    admin.environment.add_project(1, PROMPTS[:1], ["openai"])
    code, output = admin.environment.run()
    assert 0 == code, output
    assert [{"model_id": "gpt-5.4-nano"}] == admin.environment.rows("SELECT model_id FROM llm_monitoring_results"), (
        output
    )
    audit = admin.environment.audit()
    assert [] == audit.differences
    assert [] == audit.over_ceiling
    assert [] == audit.open_attempts
    assert [] == admin.environment.leaks()


def test_the_operator_pays_where_nobody_is_named(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLM_OPERATOR_USER_ID names who pays, and --by who decides."""
    operator = admin.environment.add_user("operator@example.com")
    monkeypatch.setenv("LLM_OPERATOR_USER_ID", str(operator))
    admin.done("activate", "openai", "gpt-6-luna", "--yes", "--reason", "x", "--by", "ana")
    assert admin.environment.billed() == admin.environment.spent(operator)
    assert Decimal(0) == admin.environment.spent(1)
    assert "ana" == model_admin.history(admin.environment.db, "openai", "gpt-6-luna", 1)[0]["changed_by"]


def test_activating_the_current_model_costs_nothing(admin: Admin) -> None:
    """The current model is not asked again."""
    before = admin.state()
    output = admin.done("activate", "openai", "gpt-6.1-terra", "--yes", "--reason", "x")
    assert before == admin.state()
    assert "openai/gpt-6.1-terra is the current model already: nothing to do.\n" == output


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("action", "state", "message"),
    [
        ({"kind": "status", "status": 404}, "void", "which cost 0.0000000000 USD (model_not_found"),
        ({"kind": "status", "status": 500}, "unknown", "USD (unavailable"),
        ({"kind": "empty_text"}, "settled", "USD ("),
        ({"kind": "refusal"}, "settled", "USD (refused"),
    ],
    ids=["404", "500", "empty", "refused"],
)
def test_a_model_that_does_not_answer_is_not_switched_to(admin: Admin, action: Any, state: str, message: str) -> None:
    """Without an answer the old model stays, the cost is said, and the ledger holds at least the bill."""
    admin.environment.server.faults.set([{"match": {"route": "answer"}, "action": action}])
    result = admin.run("activate", "openai", "gpt-6-luna", "--user", "1", "--yes", "--reason", "x")
    attempt = admin.environment.rows("SELECT state, charged_usd FROM llm_call_attempts")[0]
    assert 1 == result.exit_code
    assert ["gpt-6.1-terra"] == admin.current()
    assert state == attempt["state"]
    assert admin.row("openai", "gpt-6-luna")["validated_at"] is None
    assert "openai/gpt-6-luna gave no answer, which cost" in result.stderr
    assert message in result.stderr
    assert admin.environment.billed() <= attempt["charged_usd"] == admin.environment.spent(1)


def test_a_budget_that_is_spent_asks_nothing(admin: Admin) -> None:
    """A question that does not fit the user's month is not asked, and nothing is switched."""
    admin.environment.budget.correct(1, Decimal("99.9999"), "spent")
    result = admin.run("activate", "anthropic", "claude-haiku-5-5", "--user", "1", "--yes", "--reason", "x")
    assert 1 == result.exit_code
    assert Decimal(0) == admin.environment.billed()
    assert ["claude-sonnet-5-5"] == admin.current("anthropic")
    assert "error: what user 1 has left this month does not cover the call's ceiling of 0.0007 USD\n" == result.stderr


@pytest.mark.ci
def test_perplexity_is_asked_within_its_cap(admin: Admin) -> None:
    """A model that always searches is asked only with a cap on its fees, and charged what the provider says."""
    register(admin, "perplexity", "perplexity/glm-5.3")
    admin.done("price", "perplexity", "perplexity/glm-5.3", "--suggested", "--search-fee", "2.5", "--reason", "x")
    admin.done("approve", "perplexity", "perplexity/glm-5.3", "--reason", "x")
    before = admin.state()
    refused = ("probe", "perplexity", "perplexity/glm-5.3", "--user", "1", "--reason", "x")
    assert admin.refused(*refused).startswith("perplexity/perplexity/glm-5.3: web search has no cap on its fees")
    assert before == admin.state()
    admin.done("price", "perplexity", "perplexity/glm-5.3", "--max-searches", "5", "--reason", "x")
    result = admin.run("probe", "perplexity", "perplexity/sonar", "--user", "1", "--reason", "x")
    assert 0 == result.exit_code
    assert admin.environment.billed() > 0
    assert admin.environment.billed() == admin.environment.spent(1)
    assert ["perplexity/sonar"] == admin.current("perplexity")


def in_a_terminal(admin: Admin, *arguments: str, typed: str) -> tuple[int, str]:
    """Run a command in a process with a terminal of its own, and type."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_monitoring", "models", *arguments],
        env={**admin.environment.variables({"LLM_LOG_LEVEL": "INFO"}), "TERM": "dumb", "COLUMNS": "200"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd="/",
    )
    os.close(terminal)
    os.write(main, typed.encode())
    seen = b""
    try:
        while chunk := os.read(main, 4096):
            seen += chunk
    except OSError:  # the terminal's other side is closed
        pass
    os.close(main)
    return process.wait(timeout=30), seen.decode()


@pytest.mark.ci
def test_a_person_decides(admin: Admin) -> None:
    """On a terminal the reason is asked for, and the switch confirmed after the answer was seen; no leaves it."""
    arguments = ("activate", "openai", "gpt-6-luna", "--user", "1")
    no, seen = in_a_terminal(admin, *arguments, typed="tried it\nn\n")
    assert 0 == no, seen
    assert ["gpt-6.1-terra"] == admin.current(), seen
    assert 1 == admin.environment.count("llm_call_attempts"), seen
    assert seen.index("Answered by gpt-6-luna") < seen.index("Switch openai from gpt-6.1-terra to gpt-6-luna?")
    yes, seen = in_a_terminal(admin, *arguments, typed="liked it\ny\n")
    assert 0 == yes, seen
    assert ["gpt-6-luna"] == admin.current(), seen
    assert "liked it" == model_admin.history(admin.environment.db, "openai", "gpt-6-luna", 1)[0]["reason"]


@pytest.mark.ci
@pytest.mark.parametrize("rounds", [15])
def test_two_activations_at_once(admin: Admin, rounds: int) -> None:
    """Two activations on two connections leave exactly one current model, and both are on record in one order."""
    rivals = ["gpt-6-luna", "gpt-5.4-mini"]
    admin.done("approve", "openai", "gpt-5.4-mini", "--reason", "x")
    problems: list[BaseException] = []

    def activate(db: Database, model_id: str, barrier: Barrier) -> None:
        try:
            row = model_admin.find(db, "openai", model_id)
            barrier.wait(timeout=10)
            model_admin.switch(db, row, Author(model_id, "a race"))
        except BaseException as exc:  # noqa: BLE001 - a thread's failure is the test's
            problems.append(exc)

    for _ in range(rounds):
        with Database(admin.environment.url) as one, Database(admin.environment.url) as two:
            barrier = Barrier(2)
            threads = [
                Thread(target=activate, args=(db, name, barrier)) for db, name in zip((one, two), rivals, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=20)
        assert [] == problems
        assert 1 == len(admin.current())
    changes = reversed(model_admin.history(admin.environment.db, "openai", None, 1000))
    seen = {"gpt-6.1-terra"}
    for row in changes:
        if row["reason"] == "a race":
            before, after = row["changes"]["is_current"]
            assert before == (row["model_id"] in seen)
            assert after == (row["model_id"] not in seen)
            seen ^= {row["model_id"]}
    assert seen == set(admin.current())


def test_an_approval_withdrawn_meanwhile_stops_the_switch(admin: Admin) -> None:
    """What is approved and priced is looked at again under the lock."""
    entry = model_admin.find(admin.environment.db, "openai", "gpt-6-luna")
    admin.done("reject", "openai", "gpt-6-luna", "--reason", "x")
    with pytest.raises(BadInput, match="is rejected, not approved"):
        model_admin.switch(admin.environment.db, entry, ME)
    assert ["gpt-6.1-terra"] == admin.current()


# --- prices


def test_prices_are_set_with_their_author(admin: Admin) -> None:
    """Every price has its option; what is not given stays; the change is on record exactly."""
    admin.done(
        "price", "openai", "gpt-5.4-mini", "--input", "0.7512345678", "--output", "4.5", "--cached", "0.07",
        "--cache-write", "1", "--search-fee", "10", "--request-fee", "0.005", "--max-searches", "4",
        "--tier", "200000:input=1.5,output=9,cached=0.1,cache_write=2", "--tier", "100000:input=1", "--reason", "page",
    )  # fmt: skip
    admin.done("price", "openai", "gpt-5.4-mini", "--request-fee", "0", "--reason", "no fee")
    row = admin.row("openai", "gpt-5.4-mini")
    price = registry.read_entry(row).read_price()
    assert price is not None
    assert [
        (0, "0.7512345678", "4.5", "0.07", "1"),
        (100000, "1", "4.5", "1", "1"),
        (200000, "1.5", "9", "0.1", "2"),
    ] == [
        (tier.above_input_tokens, *(f"{getattr(tier, name).normalize():f}" for name in RATES)) for tier in price.tiers
    ]
    assert Decimal("0.01") == price.search_usd
    assert Decimal(0) == price.request_usd
    assert 4 == row["max_searches_per_call"]
    last, first = model_admin.history(admin.environment.db, "openai", "gpt-5.4-mini", 2)
    assert {"cost_per_request": [Decimal("0.005"), Decimal(0)]} == last["changes"]
    assert [Decimal("0.75"), Decimal("0.7512345678")] == first["changes"]["cost_per_1m_input_tokens"]
    assert "page" == first["reason"]
    assert f"cli:{getpass.getuser()}" == first["changed_by"]


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "say what to set: --input, --output or another price, or --suggested"),
        (("--input", "0"), "input: a price of zero would make calls free; give the real one"),
        (("--output", "0.0"), "output: a price of zero would make calls free; give the real one"),
        (("--search-fee", "0"), "searches: a price of zero would make calls free; give the real one"),
        (("--input=-1",), "input: -1 is not a price in USD from 0 to 100,000"),
        (("--input", "100000"), "input: 100000 is not a price in USD from 0 to 100,000"),
        (("--input", "nan"), "'nan' is no amount in USD"),
        (("--input", "1,5"), "'1,5' is no amount in USD"),
        (("--cached", "0.00000000001"), "cached: 1E-11 has more than ten decimals"),
        (("--tier", "0:input=1"), "'0:input=1' is no price tier"),
        (("--tier", "1000:price=1"), "'1000:price=1' is no price tier"),
        (("--tier", "1000:input=0"), "tier input: a price of zero would make calls free; give the real one"),
        (("--tier", "1000:input=1", "--tier", "1000:input=2"), "two price tiers start at the same number"),
        (("--tier", "1000:input=1", "--no-tiers"), "--tier and --no-tiers contradict each other"),
        (("--suggested",), "openai/gpt-5.4-mini has no suggested prices: give them as options"),
    ],
)
def test_price_refused(admin: Admin, options: tuple[str, ...], message: str) -> None:
    """What is no price is refused in one line with code 2, and nothing changes."""
    before = admin.state()
    line = admin.refused("price", "openai", "gpt-5.4-mini", *options, "--reason", "x")
    assert before == admin.state()
    assert message == line[: len(message)]


def test_a_new_base_price_does_not_keep_old_tiers(admin: Admin) -> None:
    """Where a model has tiers, a new base price says what becomes of them."""
    before = admin.state()
    line = admin.refused("price", "openai", "gpt-6.1-terra", "--input", "1.2", "--reason", "x")
    assert before == admin.state()
    assert "openai/gpt-6.1-terra has price tiers as well: give them again with --tier, or say --no-tiers" == line
    admin.done("price", "openai", "gpt-6.1-terra", "--input", "1.2", "--no-tiers", "--reason", "x")
    assert [] == admin.row("openai", "gpt-6.1-terra")["price_tiers"]


# --- review


@pytest.mark.ci
def test_the_states_of_a_model(admin: Admin) -> None:
    """New, approved, rejected and retired follow the commands; the current model can be neither of the last two."""
    states = []
    for command in ("approve", "reject", "approve", "retire", "approve"):
        admin.done(command, "openai", "gpt-5.4-mini", "--reason", command)
        states.append(json.loads(admin.done("show", "openai", "gpt-5.4-mini", "--json"))["state"])
    assert ["approved", "rejected", "approved", "retired", "approved"] == states
    for command in ("reject", "retire"):
        line = admin.refused(command, "openai", "gpt-6.1-terra", "--reason", "x")
        assert f"answers for openai and cannot be {command.removesuffix('e').removesuffix('d')}" in line
    shown = json.loads(admin.done("history", "openai", "gpt-5.4-mini", "--json", "--limit", "5"))
    assert ["approve", "retire", "approve", "reject", "approve"] == [row["reason"] for row in shown]


def test_list_and_show(admin: Admin) -> None:
    """Models are listed by provider and state, and shown with suggested next to charged prices."""
    register(admin, "openai", "gpt-5.4-nano")
    rows = json.loads(admin.done("list", "--provider", "openai", "--state", "approved", "--json"))
    assert [("gpt-6-luna", "0.1000000000")] == [(row["model_id"], row["cost_per_1m_input_tokens"]) for row in rows]
    shown = admin.done("show", "openai", "gpt-5.4-nano")
    assert ["openai/gpt-5.4-nano", "new"] == [line.split()[-1] for line in shown.splitlines()[:3] if "Name" not in line]
    price = next(line for line in shown.splitlines() if line.startswith("Input, per million tokens"))
    assert "0.2" == price.split()[-1]
    assert "gpt-6.1-terra" in admin.done("list")


def test_a_model_with_invalid_prices_is_listed(admin: Admin) -> None:
    """Prices that cannot be read are a note of their model; the list goes on."""
    admin.environment.db.execute("UPDATE llm_model_registry SET price_tiers = '[5]' WHERE model_id = 'gpt-6-luna'")
    lines = admin.done("list", "--provider", "openai").splitlines()
    (luna,) = (line for line in lines if "gpt-6-luna" in line)
    assert luna.endswith("openai/gpt-6-luna has price tiers that are not valid: give them again")
    assert any("gpt-6.1-terra" in line for line in lines)


def test_a_name_that_two_providers_share(admin: Admin) -> None:
    """An id of two providers is not guessed."""
    admin.environment.rows(
        "INSERT INTO llm_model_registry (llm_provider, model_id) "
        "VALUES ('perplexity', 'openai/gpt-6-luna') RETURNING id"
    )
    line = admin.refused("compare", "openai/gpt-6-luna", "gpt-6.1-terra", "--project", "1", "--yes")
    assert "model openai/gpt-6-luna is ambiguous: say openai/gpt-6-luna or perplexity/openai/gpt-6-luna" == line


# --- comparison


@pytest.fixture
def cli(admin: Admin) -> Admin:
    admin.environment.add_project(1, [*PROMPTS, BRANDED], ["openai"])
    return admin


def test_compare_asks_both_and_stores_no_result(cli: Admin) -> None:
    """Both models get the same unbranded prompts, paid to the digit, and the difference has its interval."""
    shown = json.loads(
        cli.done("compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "2", "--yes", "--json")
    )
    environment = cli.environment
    asked = [(line.model, line.prompt) for line in environment.server.bill.lines]
    assert 28 == len(asked)
    assert 14 == len(set(asked))
    assert 14 == shown["new"]["answers"]
    assert environment.spent(1) == environment.billed()
    assert environment.billed() == Decimal(shown["old"]["charged_usd"]) + Decimal(shown["new"]["charged_usd"])
    assert {"probe"} == {row["kind"] for row in environment.rows("SELECT kind FROM llm_call_attempts")}
    for table in ("llm_monitoring_results", "llm_monitoring_snapshots", "llm_monitoring_failed_tasks"):
        assert 0 == environment.count(table)
    rate = shown["mention_rate"]
    assert 7 == rate["prompts"]
    assert rate["low"] is not None
    assert rate["verdict"] != "too little data"
    assert Decimal(rate["difference"]) == Decimal(rate["after"]) - Decimal(rate["before"])
    assert Decimal(rate["low"]) <= Decimal(rate["difference"]) <= Decimal(rate["high"])
    assert Decimal(shown["ceiling_usd"]) >= environment.billed()
    audit = environment.audit()
    assert [] == audit.differences
    assert [] == audit.open_attempts
    assert [] == audit.over_ceiling


def test_compare_says_first_what_it_costs(cli: Admin) -> None:
    """The ceiling comes before anything is asked; without a terminal and --yes nothing is."""
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1")
    assert 2 == result.exit_code
    assert Decimal(0) == cli.environment.billed()
    assert result.stdout.startswith("7 prompts of project 1 (1 that name the brand are left out) are 14 questions to")
    assert "error: there is no terminal to confirm on: add --yes\n" == result.stderr
    output = cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    header, mention = (line for line in output.splitlines() if line.startswith(("Figure", "Mention rate, %")))
    assert "95 % interval" in header
    assert " to " in mention
    assert output.endswith("Neither results nor figures of any day were touched.\n")


@pytest.mark.ci
def test_compare_stays_within_the_budget(cli: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the month is used up the comparison ends, says so, and has spent no cent beyond the limit."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "1")  # both models have answers before the budget is used up
    cli.environment.budget.set_limits(1, Decimal("0.02"), None)
    output = cli.done("compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "3", "--yes")
    spent = cli.environment.spent(1)
    assert Decimal("0.01") < spent <= Decimal("0.02")
    assert spent == cli.environment.billed()
    assert "It ended early: the next call does not fit into what is left of the monthly budget." in output
    assert [] == cli.environment.audit().differences


@pytest.mark.ci
def test_compare_asks_again_where_the_provider_asks_to_wait(cli: Admin) -> None:
    """A 429 is waited out and asked again as an attempt of its own; every answer comes, every charge is the bill's."""
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "0.05"}}
    cli.environment.server.faults.set([{"match": {"route": "answer", "every": 4}, "times": 3, "action": wait}])
    shown = json.loads(cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes", "--json"))
    states = cli.environment.rows("SELECT state, count(*) AS n FROM llm_call_attempts GROUP BY state ORDER BY state")
    assert 7 == shown["old"]["answers"]
    assert 7 == shown["new"]["answers"]
    assert shown["stopped"] is None
    assert [{"state": "settled", "n": 14}, {"state": "void", "n": 3}] == states
    assert cli.environment.billed() == cli.environment.spent(1)


@pytest.mark.ci
def test_compare_leaves_a_provider_alone_that_asks_for_it(cli: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one question waits out a 429 no other goes to the provider."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "2")
    environment = cli.environment
    environment.server.service.behaviour = replace(environment.server.service.behaviour, latency_ms=100.0)
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}}
    environment.server.faults.set([{"match": {"route": "answer"}, "times": 1, "action": wait}])
    cli.done("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    sooner = (
        "llm_call_attempts a JOIN llm_call_attempts refused ON refused.state = 'void' AND a.reserved_at "
        "BETWEEN refused.closed_at + INTERVAL '1 s' AND refused.closed_at + INTERVAL '2 s'"
    )
    assert 15 == environment.count("llm_call_attempts")
    assert 0 == environment.count(sooner)


@pytest.mark.ci
def test_compare_ends_where_the_provider_asks_for_too_much(cli: Admin) -> None:
    """A provider that wants to be left alone for longer than a comparison waits is not asked again before."""
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "600"}}
    cli.environment.server.faults.set([{"match": {"route": "answer"}, "times": 99, "action": wait}])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    assert 1 == result.exit_code
    assert "openai asks for a longer wait" in result.stderr
    assert cli.environment.count("llm_call_attempts WHERE state = 'void'") <= 10


@pytest.mark.ci
def test_compare_does_not_repeat_a_call_in_doubt(cli: Admin) -> None:
    """A call that may have been billed is charged its ceiling once, so that the announced ceiling holds."""
    failure = {"kind": "status", "status": 500}
    cli.environment.server.faults.set([{"match": {"route": "answer"}, "times": 1, "action": failure}])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes", "--json")
    shown = json.loads(result.stdout)
    states = cli.environment.rows("SELECT state, count(*) AS n FROM llm_call_attempts GROUP BY state ORDER BY state")
    assert [{"state": "settled", "n": 13}, {"state": "unknown", "n": 1}] == states
    assert 1 == shown["old"]["failures"] + shown["new"]["failures"]
    assert cli.environment.spent(1) <= Decimal(shown["ceiling_usd"])
    assert "openai answered 500" in result.stderr


@pytest.mark.ci
def test_compare_reports_a_code(cli: Admin) -> None:
    """Programs get a code for why a comparison ended early, and no failed task of the day is stored."""
    cli.environment.budget.set_limits(1, Decimal("0.02"), None)
    result = cli.run(
        "compare", "gpt-6.1-terra", "gpt-5.4-mini", "--project", "1", "--samples", "3", "--yes", "--json"
    )  # the last calls that fit may all be of one model, so the exit code is not fixed
    assert "budget" == json.loads(result.stdout)["stopped"]
    assert 0 == cli.environment.count("llm_monitoring_failed_tasks")


@pytest.mark.ci
def test_compare_with_a_model_that_is_gone(cli: Admin) -> None:
    """A model that the provider no longer serves ends the comparison with code 1; what was asked is paid."""
    cli.environment.server.models.change("openai", retire=["gpt-6-luna"])
    result = cli.run("compare", "gpt-6.1-terra", "gpt-6-luna", "--project", "1", "--yes")
    assert 1 == result.exit_code
    assert "error: there is nothing to compare: " in result.stderr
    assert cli.environment.billed() == cli.environment.spent(1)


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpt-6.1-terra", "claude-haiku-5-5"), "gpt-6.1-terra and claude-haiku-5-5 are of two providers"),
        (("gpt-6.1-terra", "gpt-6.1-terra"), "a model is compared with another one, not with itself"),
        (("gpt-6.1-terra", "gpt-0"), "model gpt-0 is not registered"),
        (("gpt-6.1-terra", "gpt-6.2-sol"), "openai/gpt-6.2-sol has no price above zero"),
        (("gpt-6.1-terra", "gpt-6-luna", "--samples", "21"), "Invalid value for '--samples'"),
    ],
)
def test_compare_refused(cli: Admin, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be compared is refused in one line with code 2, before anything is asked."""
    register(cli, "openai", "gpt-6.2-sol")
    line = cli.refused("compare", *arguments, "--project", "1", "--yes")
    assert Decimal(0) == cli.environment.billed()
    assert message == line[: len(message)]


@pytest.mark.ci
def test_a_killed_probe_is_settled_by_the_next_run(cli: Admin) -> None:
    """What a probe left open is closed by the next daily run, and never becomes a day's answer."""
    with Database(cli.environment.url) as db:
        db.execute(
            "INSERT INTO llm_call_attempts (id, kind, state, user_id, month, llm_provider, model_id, key_source, "
            "ceiling_usd, committed_usd, budget_usd, sent_at) VALUES (gen_random_uuid(), 'probe', 'sent', 1, "
            "date_trunc('month', now() AT TIME ZONE 'UTC'), 'openai', 'gpt-6-luna', 'user', 0.01, 0.01, 100, now())"
        )
        db.execute("UPDATE user_llm_api_keys SET reserved_spend_usd = 0.01 WHERE user_id = 1")
    code, output = cli.environment.run()
    audit = cli.environment.audit()
    assert 0 == code, output
    assert 8 == cli.environment.count("llm_monitoring_results"), output
    assert [] == audit.differences, output
    assert [] == audit.open_attempts, output
    unknown = cli.environment.rows("SELECT state FROM llm_call_attempts WHERE kind = 'probe'")
    assert [{"state": "unknown"}] == unknown


# --- the demo


@pytest.mark.ci
def test_the_demo(server_folder: Path) -> None:
    """On a fresh data directory the demo registers models, ends with 0, and its commands work on what it made."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LLM_DATA_DIR": str(server_folder)}

    def run(*command: str) -> str:
        return subprocess.run(
            [sys.executable, *command], env=variables, cwd=ROOT, text=True, capture_output=True, check=True
        ).stdout

    first = run("weekly_model_check_cron.py", "--demo").splitlines()
    assert "🎉 MODEL CHECK COMPLETED SUCCESSFULLY" == first[-1]
    assert "🆕 OPENAI: 57 modelo(s) nuevo(s):" in first
    listed = json.loads(run("-m", "llm_monitoring", "--demo", "models", "list", "--state", "new", "--json"))
    assert 88 < len(listed)


def test_a_dated_price_is_entered_and_shown(admin: Admin) -> None:
    """A price of a later day is kept with its day and author, shown with the others, and not in force before."""
    admin.environment.db.execute("DELETE FROM llm_model_prices")
    admin.done(
        "price", "google", "gemini-3.8-flash", "--input", "1.5", "--output", "7.5", "--from", "2999-01-01",
        "--reason", "page", "--by", "ana",
    )  # fmt: skip
    shown = json.loads(admin.done("show", "google", "gemini-3.8-flash", "--json"))["prices"]
    assert [(None, "registry", True, 0.75), ("2999-01-01", "admin", False, 1.5)] == [
        (each["from"], each["source"], each["in_force"], float(each["input"])) for each in shown
    ]
    assert Decimal("0.75") == admin.row("google", "gemini-3.8-flash")["cost_per_1m_input_tokens"]


def test_the_list_shows_the_prices_of_today(admin: Admin) -> None:
    """A known rise that has begun is in the list, though the registry's columns hold the price before it."""
    admin.environment.db.execute(
        "UPDATE llm_model_prices SET valid_from = '2026-11-24' WHERE model_id = 'gemini-3.8-flash'"
    )
    listed = json.loads(admin.done("list", "--provider", "google", "--json"))
    flash = [each for each in listed if each["model_id"] == "gemini-3.8-flash"]
    assert [1.5] == [float(each["cost_per_1m_input_tokens"]) for each in flash]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--input", "1", "--from", "2999-01-01"),
            "prices of a later day are an input and an output price: --input",
        ),
        (("--input", "1", "--output", "2", "--max-searches", "2", "--from", "2999-01-01"), "a cap on searches holds"),
        (("--input", "0", "--output", "2", "--from", "2999-01-01"), "input: a price of zero would make calls free"),
        (("--input", "1", "--output", "2", "--from", "tomorrow"), "'tomorrow' is no day"),
        (("--priority-factor", "0.5"), "google/gemini-3.8-flash: these prices are refused"),
    ],
)
def test_a_dated_price_is_whole(admin: Admin, arguments: tuple[str, ...], message: str) -> None:
    """What a later day's price lacks is said in one line, and nothing changes."""
    before = admin.state()
    line = admin.refused("price", "google", "gemini-3.8-flash", *arguments, "--reason", "x")
    assert before == admin.state(), line
    assert line.startswith(message), line
