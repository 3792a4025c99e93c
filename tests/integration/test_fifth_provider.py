"""A fifth provider, added by what docs/adding-a-provider.md says, is asked, read, priced, stored and audited."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner

import llm_monitoring
from llm_monitoring import providers
from llm_monitoring.cli.root import root
from llm_monitoring.domain import PROVIDERS, ProviderName, ProviderTraits, Secret, Usage, traits
from llm_monitoring.providers import Answer, ModelInfo, Question, Reply, instruction
from llm_monitoring.providers.parsing import ReplyMeta, consistent, count, document, mapping, mappings, text
from llm_monitoring.providers.transport import HttpTransport
from llm_monitoring.registry import admin
from tests.environment import KEYS, Environment, open_environment
from tests.fork_server import ROOT
from tests.providers.server import Server, running, says

NAME: Final = cast(ProviderName, "mistral")
KEY: Final = "mistral-test-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeWb52kT9s"
MODEL: Final = "mistral-large-latest"
PACKAGE: Final = ROOT / "llm_monitoring"
PAGE: Final = ROOT / "docs" / "adding-a-provider.md"
PROMPTS: Final = ("¿Qué programa de facturación recomiendas?", "Mejores alternativas", "¿Qué es Quipu?")
CHAT: Final = """{"model": "mistral-large-latest", "usage": {"prompt_tokens": 1000, "completion_tokens": 500},
    "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Quipu, y también Holded."}}]}"""
CALL_USD: Final = Decimal("0.005")  # 1000 tokens at 2 USD and 500 at 6 USD a million, the page's prices
NO_KEY: Final = '{"error": {"message": "Unauthorized", "type": "invalid_request_error", "code": null}}'


class MistralProvider:
    """The fifth provider under one key: chat completions over the wire alone, without an SDK."""

    name = NAME

    def __init__(
        self, key: Secret, *, base_url: str | None, timeout_seconds: float, total_seconds: float | None
    ) -> None:
        self.base_url = base_url or "https://api.mistral.ai/v1"
        self.wire = HttpTransport(
            NAME,
            key,
            base_url=self.base_url,
            headers={"authorization": f"Bearer {key.reveal()}"},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
        )

    def send(self, question: Question) -> Reply:
        asked = [{"role": "system", "content": instruction(question)}, {"role": "user", "content": question.prompt}]
        body: dict[str, Any] = {
            "model": question.model_id,
            "max_tokens": question.max_output_tokens,
            "messages": asked,
        }
        return self.wire.exchange(lambda: self.wire.http.post(f"{self.base_url}/chat/completions", json=body))

    def list_models(self) -> list[ModelInfo]:
        self.wire.exchange(lambda: self.wire.http.get(f"{self.base_url}/models"))
        return [ModelInfo(MODEL, "Mistral Large")]

    def close(self) -> None:
        self.wire.close()


def read(reply: Reply) -> Answer:
    """Read a stored reply."""
    body = document(NAME, reply)
    usage = mapping(body.get("usage"))
    said = "".join(text(mapping(each.get("message")).get("content")) for each in mappings(body.get("choices")))
    used = Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")))
    return ReplyMeta(NAME, text(body.get("model")), consistent(used, said)).answer(said, (), "stop")


def traits_of_five(name: ProviderName) -> ProviderTraits:
    return ProviderTraits("Mistral AI", "Le Chat") if name == NAME else traits(name)


def add_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 1, the name and its traits: in each module that has taken the list over, as an edit of domain.py would."""
    changed = {"PROVIDERS": (PROVIDERS, (*PROVIDERS, NAME)), "traits": (traits, traits_of_five)}
    # all are imported before the first is changed: one that is imported later would keep the change after the test
    modules = [import_module(name) for name in modules_that_name(*changed)]
    for module in modules:
        for name, (before, after) in changed.items():
            if getattr(module, name, None) is before:
                monkeypatch.setattr(module, name, after)


def modules_that_name(*names: str) -> list[str]:
    """Return the product's modules with one of these names in their source; the demo has lists of its own."""
    paths = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "demo")]
    named = [path for path in paths if any(name in path.read_text(encoding="utf-8") for name in names)]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in named]


def add_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps 2 and 3: the provider's file, and where it is found."""
    file = ModuleType("llm_monitoring.providers.mistral")
    file.__dict__.update(MistralProvider=MistralProvider, read=read)
    monkeypatch.setitem(sys.modules, file.__name__, file)
    found, added = providers.module_of, providers.Module("mistral", "MistralProvider", "mistral", sdk=None)
    monkeypatch.setattr(providers, "module_of", lambda name: added if name == NAME else found(name))


def add_tables(environment: Environment) -> None:
    """Step 5: the page's own migration as it stands there, then the model is made the current one."""
    environment.db.execute(PAGE.read_text(encoding="utf-8").split("```sql")[1].split("```")[0].replace("%", "%%"))
    model = admin.find(environment.db, NAME, MODEL)
    admin.switch(environment.db, model, admin.Author("test", "a fifth provider"))


@dataclass
class Five:
    """An environment with five providers; `mistral` answers for the fifth. Its user has the operator's keys of two."""

    environment: Environment
    mistral: Server

    def run(self) -> dict[str, Any]:
        (report,) = llm_monitoring.analyze_all_active_projects()
        return report

    def paid(self, provider: str) -> Decimal:
        calls = f"FROM llm_call_attempts WHERE llm_provider = '{provider}'"
        return Decimal(self.environment.rows(f"SELECT coalesce(sum(charged_usd), 0) AS usd {calls}")[0]["usd"])

    def asked(self) -> int:
        return sum(each.method == "POST" for each in self.mistral.received)


@pytest.fixture
def five(database_url: str, monkeypatch: pytest.MonkeyPatch, quiet: None) -> Iterator[Five]:
    with running() as mistral, open_environment(database_url) as environment:
        variables = {
            **environment.server.environment(),
            "DATABASE_URL": database_url,
            "LLM_SENTIMENT": "false",
            "OPENAI_API_KEY": KEYS["openai"],
            "MISTRAL_API_KEY": KEY,
            "MISTRAL_BASE_URL": f"{mistral.url}/v1",
            "LLM_MISTRAL_CONCURRENCY": "1",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        add_to_list(monkeypatch)
        add_module(monkeypatch)
        add_tables(environment)
        environment.add_project(environment.add_user("a@example.com", ()), PROMPTS, ("openai", NAME))
        yield Five(environment, mistral)


def test_its_answers_are_stored_and_charged_by_its_price(five: Five) -> None:
    """Each prompt has an answer of the fifth provider, read and analysed, at exactly its price of the registry."""
    five.mistral.script(says(CHAT))
    report = five.run()
    kept = "model_id, brand_mentioned, full_response, llm_monitoring_results.cost_usd"
    found = five.environment.rows(f"SELECT {kept} FROM llm_monitoring_results WHERE llm_provider = 'mistral'")
    answer = {
        "model_id": MODEL,
        "brand_mentioned": True,
        "full_response": "Quipu, y también Holded.",
        "cost_usd": CALL_USD,
    }
    assert [answer] * 3 == found
    assert 3 * CALL_USD == five.paid("mistral") == report["total_cost_usd"] - five.environment.billed()
    assert {f"Bearer {KEY}"} == {each.headers["authorization"] for each in five.mistral.received}


@pytest.mark.ci
def test_the_audit_of_its_calls_is_clean(five: Five) -> None:
    """`budget audit` finds every counter to be the sum of its entries."""
    five.mistral.script(says(CHAT))
    five.run()
    done = CliRunner().invoke(root, ["budget", "audit"])
    assert 0 == done.exit_code, done.output
    assert "users: 1" in done.output, done.output
    assert "No difference" in done.output, done.output


def test_its_refused_key_closes_its_own_lane_alone(five: Five) -> None:
    """A 401 ends the fifth provider's calls after the first, free of charge; the others' are made and paid."""
    five.mistral.script(says(NO_KEY, 401))
    cells = five.run()["completeness_by_llm"]
    assert {"openai": 3, "mistral": 0} == {name: cell["valid"] for name, cell in cells.items()}
    assert 1 == five.asked()
    assert Decimal(0) == five.paid("mistral")
    assert five.environment.billed() == five.paid("openai") > 0
    assert five.environment.audit().clean


def test_the_list_is_as_before_after_each_test() -> None:
    """No module keeps the fifth provider for the tests that follow."""
    lists = {
        name: getattr(module, "PROVIDERS", ())
        for name, module in list(sys.modules.items())
        if name.startswith("llm_monitoring.")
    }
    assert [] == [name for name, listed in lists.items() if NAME in listed]
