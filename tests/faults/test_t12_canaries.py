"""T12: canary keys through whole runs with every fault and DEBUG on: no key shows anywhere, whole or its last eight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from tests.environment import Environment
from tests.faults.conftest import CI, Note
from tests.faults.fault_table import MODELS
from tests.faults.in_process import TODAY, ask
from tests.faults.recorded import TEXT, Counts

PROMPT: Final = "¿Qué programa de facturación conviene, caso {}?"
OLD_FORMS: Final[dict[ProviderName, str]] = {
    "openai": "sk-oldform0000000000000000000000000000000000000{}",
    "google": "AIzaSyOldForm000000000000000000{}",
}
COMMANDS: Final = (
    ["keys", "list"],
    ["keys", "list", "--json"],
    ["budget", "show"],
    ["budget", "audit", "--json"],
    ["runs", "list"],
    ["keys", "rotate"],
    ["projects", "list", "--json"],
)
BREAK_RECEIPTS: Final = (
    "ALTER TABLE llm_call_receipts RENAME TO away",
    "CREATE TABLE llm_call_receipts (LIKE away INCLUDING INDEXES)",
    "ALTER TABLE llm_call_receipts ALTER latency_ms TYPE boolean USING NULL",
)
MEND_RECEIPTS: Final = ("DROP TABLE llm_call_receipts", "ALTER TABLE away RENAME TO llm_call_receipts")


def echoes(key: str, provider: ProviderName) -> list[Mapping[str, Any]]:
    """What a careless provider may send back: the key, its end, in bodies of every kind and in headers."""
    said = Counts(provider, MODELS[provider], 50, 60).body.decode()
    return [
        {"kind": "status", "status": 401, "body": {"error": {"message": f"Incorrect API key: {key}.", "code": key}}},
        {"kind": "status", "status": 400, "body": f"<p>bad request with key={key}"},
        {"kind": "status", "status": 500, "body": f"Traceback: Authorization: Bearer {key}"},
        {"kind": "status", "status": 429, "headers": {"Retry-After": "0", "x-trace": key}, "body": key[-8:]},
        {"kind": "html", "body": f"<html>{key}</html>"},
        {"kind": "body", "body": said.replace(TEXT.replace("\n", "\\n"), f"Quipu {key} y {key[-8:]}")},
        {"kind": "body", "body": said.replace(MODELS[provider], f"model-{key[-8:]}")},
        {"kind": "body", "body": said, "headers": {"x-request-id": key, "request-id": key}},
        {"kind": "body", "body": said[: len(said) // 2] + key},
        {"kind": "error_object", "body": {"error": {"message": f"{key} is over its limit", "code": "x"}}},
    ]


def canaries(environment: Environment, *, every: bool) -> list[dict[str, Any]]:
    """A user for each echo, each with keys of their own for one or every provider; the rules that send the echoes."""
    rules = []
    for number in range(len(echoes("", "openai"))):
        providers = PROVIDERS if every else (PROVIDERS[number % len(PROVIDERS)],)
        user = environment.add_user(providers=providers)
        ask(environment, user, [PROMPT.format(number)], providers)
        for provider in providers:
            key = environment.key_of(user, provider)
            match = {"route": "answer", "key": fingerprint(key)}
            rules.append({"match": match, "action": echoes(key, provider)[number], "times": 1})
    return rules


def add_old_forms(environment: Environment) -> None:
    """A user with keys in the forms of earlier years."""
    user = environment.add_user(providers=["anthropic", "perplexity"])
    ask(environment, user, [PROMPT.format("antiguo")])
    for provider, form in OLD_FORMS.items():
        key = form.format(environment.random.randbytes(6).hex())
        environment.keys[key] = user
        environment.store.store(user, provider, Secret(key))


def commands_say(environment: Environment) -> str:
    said = []
    for command in COMMANDS:
        process = environment.start(*command, program="command")
        assert 0 == process.wait(), process.said()
        said.append(process.said())
    return "\n".join(said)


@CI
@pytest.mark.parametrize(
    ("form", "every"),
    [
        pytest.param("plain", False, id="each echo of one provider"),
        *(pytest.param(form, True, id=form) for form in ("plain", "json")),
    ],
)
def test_t12_no_key_shows_anywhere(environment: Environment, note: Note, form: str, every: bool) -> None:
    """Not in the log at DEBUG, nor in any table: whatever a provider echoes, and when storing a reply breaks."""
    environment.add_operator_keys()
    keyless = environment.add_user(providers=[])
    ask(environment, keyless, [PROMPT.format("operador")])
    add_old_forms(environment)
    environment.server.faults.set(canaries(environment, every=every))
    loud = {"LLM_LOG_LEVEL": "DEBUG", "LLM_LOG_FORMAT": form}
    assert environment.run_day(TODAY, None, **loud) == 0
    assert {each["fired"] for each in environment.server.faults.report()} == {1}
    assert environment.check(whole=True) == []
    hidden(environment)
    environment.server.faults.set([])
    for statement in BREAK_RECEIPTS:
        environment.db.execute(statement)
    environment.run_day(TODAY, None, **loud)
    assert "Traceback" in environment.processes[-1].said()
    for statement in MEND_RECEIPTS:
        environment.db.execute(statement)
    assert environment.run_day(TODAY, None, **loud) == 0
    assert [] == [each for each in environment.check(whole=True) if not of_a_refused_receipt(environment, each)]
    hidden(environment)
    note.add(canaries=len(environment.keys), bytes_of_log=sum(len(child.said()) for child in environment.processes))


def of_a_refused_receipt(environment: Environment, violation: str) -> bool:
    """Whether it names a call of the second run: its receipt was refused, and its answer is stored all the same."""
    row = environment.db.one(
        "SELECT id FROM llm_call_attempts WHERE id::text = %(id)s AND state = 'settled' AND run_id ="
        " (SELECT id FROM llm_monitoring_analysis_runs ORDER BY id OFFSET 1 LIMIT 1)",
        {"id": violation.split()[2]},
    )
    return violation.startswith("I6 attempt") and row is not None


def hidden(environment: Environment) -> None:
    """The master key is a canary too."""
    view = environment.ledger_view(whole=True)
    assert environment.master_key[-8:] not in view.output
    assert environment.master_key[-8:] not in view.dump


@pytest.mark.ci
def test_t12_commands_show_four_characters_at_most(environment: Environment) -> None:
    """What an admin can ask for never shows more of a key than its last four characters."""
    environment.add_operator_keys()
    add_old_forms(environment)
    assert environment.run_day(TODAY) == 0
    said = commands_say(environment)
    keys = [*environment.keys, environment.master_key]
    assert [key[-4:] in said for key in environment.keys] == [True] * len(environment.keys)
    assert [key for key in keys if key[-5:] in said] == []
