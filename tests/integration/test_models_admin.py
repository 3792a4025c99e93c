"""The commands on models: approval and activation; nothing is free or unrecorded."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest

from llm_monitoring import registry
from llm_monitoring.db.database import Conflict, Database, Rejected
from llm_monitoring.errors import BadInput
from llm_monitoring.registry import admin as model_admin
from llm_monitoring.registry.admin import Author
from tests.fork_server import ROOT
from tests.integration.models_command import ME, PROMPTS, TODAY, Admin, in_a_terminal, register


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
