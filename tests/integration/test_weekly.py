"""The weekly check against loopback providers with realistic lists: what it registers, refuses and leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import weekly_model_check_cron as cron
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import PROVIDERS, Secret
from llm_monitoring.errors import BadInput
from llm_monitoring.jobs import weekly
from llm_monitoring.keys import listing
from llm_monitoring.model_review import check as model_check
from llm_monitoring.providers import BadResponse, ProviderUnavailable
from llm_monitoring.settings.fields import load_settings
from tests.environment import KEYS
from tests.fork_server import ROOT
from tests.integration.weekly_check import STEADY, TEXT_MODELS, Check, messages, untouched


def test_exactly_the_text_models_are_registered(check: Check) -> None:
    """Of hundreds of ids on several pages those that answer text prompts come in: off, unpriced, with a suggestion."""
    seeded = check.registry()
    check.good()
    found = check.registry()
    new = {name: row for name, row in found.items() if name not in seeded}
    assert 106 == len(TEXT_MODELS)
    assert set(TEXT_MODELS) - seeded.keys() == set(new)
    assert {(False, False, Decimal(0), Decimal(0))} == {
        (row["is_current"], row["is_available"], row["cost_per_1m_input_tokens"], row["cost_per_1m_output_tokens"])
        for row in new.values()
    }
    pro = found["google gemini-2.5-pro"]
    assert Decimal("1.25") == pro["suggested_cost_per_1m_input_tokens"]
    assert Decimal(10) == pro["suggested_cost_per_1m_output_tokens"]
    assert Decimal(35) == pro["suggested_cost_per_1k_searches"]
    assert pro["suggested_price_tiers"] == [
        {"above_input_tokens": 200000, "input": "2.5", "output": "15", "cached": "0.25"}
    ]
    assert pro["suggested_source"] == "genai-prices 0.2.3: google gemini-2.5-pro"
    assert pro["suggested_at"] == datetime.now(UTC).date()
    unknown = found["openai gpt-6.2-sol"]
    assert {None} == {
        unknown[name] for name in unknown if name.startswith("suggested_") and name != "suggested_price_tiers"
    }
    mythos = found["anthropic claude-mythos-5"]
    assert "deprecated" == mythos["lifecycle"]
    assert datetime(2026, 12, 15, tzinfo=UTC) == mythos["retires_at"]
    assert 128000 == mythos["max_output_tokens"]


def test_the_log_lines_are_those_that_operators_filter_on(check: Check) -> None:
    """A first check prints the document's lines, in their order and at their levels."""
    events = check.good("--provider", "perplexity", "--provider", "google")
    lines = [(each["level"], each["message"]) for each in events]
    expected = [
        ("info", "🕒 === WEEKLY MODEL CHECK CRON JOB STARTED ==="),
        ("info", "🔑 API keys disponibles: ['google', 'perplexity']"),
        ("info", "📋 Obteniendo modelos registrados en BD..."),
        ("info", "   google: 4 modelos (1 actual(es))"),
        ("info", "   perplexity: 1 modelos (1 actual(es))"),
        ("info", "🔍 Consultando APIs de proveedores..."),
        ("info", "   Google: 16 modelos encontrados"),
        ("info", "   Perplexity: 6 modelos encontrados"),
        ("info", "🆕 Detectando nuevos modelos..."),
        ("info", "🆕 GOOGLE: 12 modelo(s) nuevo(s):"),
        ("info", "   • gemini-4-carbon"),
        ("info", "      ✅ Insertado: google/gemini-4-carbon"),
        ("info", "🆕 PERPLEXITY: 5 modelo(s) nuevo(s):"),
        ("info", "📊 RESUMEN"),
        ("info", "🆕 Se encontraron nuevos modelos"),
        ("warn", "   ⚠️ ACCIÓN REQUERIDA:"),
        ("warn", "      1. Revisar los nuevos modelos en llm_model_registry"),
        ("warn", "      2. Actualizar precios (cost_per_1m_input/output_tokens)"),
        ("warn", "      3. Marcar como disponible (is_available=TRUE)"),
        ("warn", "      4. Opcionalmente, marcar como actual (is_current=TRUE)"),
        ("info", "🎉 MODEL CHECK COMPLETED SUCCESSFULLY"),
    ]
    assert expected == [line for line in lines if line in expected]
    inserted = next(each for each in events if each["message"].endswith("google/gemini-3.5-flash"))
    assert "google" == inserted["provider"]
    assert "gemini-3.5-flash" == inserted["model_id"]
    assert "1.5" == inserted["suggested_input_usd"]


@pytest.mark.ci
def test_a_second_check_inserts_nothing(check: Check) -> None:
    """Running twice registers nothing twice and changes no price, approval or current model."""
    check.good()
    before = check.registry()
    events = check.good()
    after = check.registry()
    moving = {"last_seen_at", "last_checked_at", "going_announced_at"}
    still = [
        {name: {k: v for k, v in row.items() if k not in moving} for name, row in rows.items()}
        for rows in (before, after)
    ]
    assert still[0] == still[1]
    assert [] == messages(events, event="model.inserted")
    assert "✅ No hay modelos nuevos" in messages(events)


@pytest.mark.short("500")
@pytest.mark.parametrize(
    "action",
    [
        {"kind": "status", "status": 500},
        {"kind": "body", "status": 200, "body": {}},
        {"kind": "body", "status": 200, "body": {"object": "list", "data": []}},
        {"kind": "html", "status": 200},
        {"kind": "truncate", "content_length": "right"},
        {"kind": "reset", "when": "mid_reply"},
    ],
    ids=["500", "empty_object", "empty_list", "html", "cut", "reset"],
)
def test_a_provider_that_answers_nonsense_is_left_alone(check: Check, action: dict[str, Any]) -> None:
    """One provider's failure is a warning; its rows stay as they are, and the others are checked."""
    check.good()
    before = check.registry()
    check.fail("openai", **action)
    events = check.good()
    after = check.registry()
    assert untouched(before, after, "openai ")
    assert not untouched(before, after, "google ")
    assert 1 == len(messages(events, "warn", "provider.not_listed"))
    check.good()
    assert 0 == max(row["missing_checks"] for row in check.registry().values())


def test_a_provider_without_key_is_told_and_left_alone(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a usable key a provider's models are not checked and not missed."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    before = check.registry()
    events = check.good()
    warned = ["⚠️ Sin API key utilizable: ['anthropic']; sus modelos no se comprueban"]
    assert warned == messages(events, "warn", "keys.missing")
    assert untouched(before, check.registry(), "anthropic ") is True


def test_nobody_to_ask_is_critical(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any key, and where no provider answers, the check fails."""
    check.fail("google", kind="status", status=503)
    failed = check.run("--provider", "google")
    for provider in PROVIDERS:
        monkeypatch.delenv(f"{provider.upper()}_API_KEY")
    keyless = check.run()
    assert 1 == failed[0]
    assert 1 == keyless[0]
    assert {"💥 MODEL CHECK FAILED"} == {events[-1]["message"] for _, events in (failed, keyless)}


def test_an_unreachable_database_is_critical(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses the connection ends the check with 1 and the document's line."""
    monkeypatch.setenv("DATABASE_URL", check.environment.url.replace("/test_", "/gone_"))
    code, events = check.run()
    assert 1 == code
    assert "💥 MODEL CHECK FAILED" == events[-1]["message"]


@pytest.mark.ci
def test_a_users_key_asks_where_the_operator_has_none(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any user's key that works will do, as listing costs nothing; one that is refused makes way for the next."""
    for provider in PROVIDERS:
        monkeypatch.delenv(f"{provider.upper()}_API_KEY")
    for user in "ab":
        check.environment.add_user(f"{user}@example.com", ["openai"])
    dead = fingerprint(check.environment.key_of(1, "openai"))
    rule = {
        "match": {"provider": "openai", "route": "models", "key": dead, "nth": 1},
        "action": {"kind": "status", "status": 401},
    }
    check.environment.server.faults.set([rule])
    events = check.good("--provider", "openai")
    listed = next(each for each in events if each["event"] == "provider.listed")
    assert "   OpenAI: 65 modelos encontrados" == listed["message"]
    assert "user 2" == listed["key_of"]
    assert Decimal(0) == check.environment.billed()
    assert [] == check.environment.leaks()


def test_a_dry_run_changes_nothing(check: Check) -> None:
    """--dry-run asks and reports, and leaves every row and the changelog as they were."""
    before, changes = check.registry(), check.environment.count("llm_model_changelog")
    events = check.good("--dry-run")
    assert before == check.registry()
    assert changes == check.environment.count("llm_model_changelog")
    assert "      🧪 Se insertaría: google/gemini-4-carbon" in messages(events)


@pytest.mark.ci
def test_two_checks_do_not_interleave(check: Check) -> None:
    """While another check holds the lock this one says so, changes nothing and ends with 0; the daily run is free."""
    check.environment.add_project(check.environment.add_user("a@example.com"), ["¿Qué programa recomiendas?"])
    before = check.registry()
    with model_check.CheckLock(check.environment.db):
        code, events = check.run()
        after = check.registry()
        daily, _ = check.environment.run()
    assert 0 == code
    assert "⏭️ Otra comprobación de modelos está en curso: esta termina sin hacer nada" == events[-1]["message"]
    assert before == after
    assert 0 == daily
    check.good()


@pytest.mark.ci
def test_an_id_too_long_for_the_registry_stops_nobody(check: Check) -> None:
    """A model with an id that does not fit is reported; the others come in."""
    long = "gpt-9-" + "x" * 100
    check.change("openai", add=[{"id": long, "object": "model", "created": 1, "owned_by": "system"}])
    events = check.good()
    assert [
        f"   ⚠️ openai: identificador demasiado largo o con caracteres no imprimibles, no se registra: {long}"
    ] == messages(events, event="model.unstorable")
    assert "openai gpt-6.2-sol" in check.registry()


@pytest.mark.ci
def test_a_commit_whose_answer_was_lost_counts_once(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the connection breaks after the commit, the work is not done, and the news not lost, a second time."""

    class Twice(Database):
        """Runs every transaction again after its commit, as where the server's answer to it was lost."""

        def transact(self, fn: Any) -> Any:
            super().transact(fn)
            return super().transact(fn)

    listed = listing.list_models("openai", Secret(KEYS["openai"]), load_settings())
    with Twice(check.environment.url) as db:
        now = datetime.now(UTC)
        first = model_check.check(db, "openai", listed, now, RowErrors(), write=True)
        without = [info for info in listed if info.model_id != STEADY]
        model_check.check(db, "openai", without, now + timedelta(days=7), RowErrors(), write=True)
    assert 57 == len(first.new)
    assert 1 == check.registry()[f"openai {STEADY}"]["missing_checks"]


def test_the_public_functions(check: Check) -> None:
    """The script's functions list models, read the registry, and register one model once."""
    lists = {provider: getattr(cron, f"get_{provider}_models")(KEYS[provider]) for provider in PROVIDERS}
    assert {"openai": 65, "anthropic": 19, "google": 16, "perplexity": 6} == {
        name: len(each) for name, each in lists.items()
    }
    argon = next(each for each in lists["google"] if each["model_id"] == "gemini-4-argon")
    assert "Gemini 4 Argon" == argon["display_name"]
    assert argon["created"] is None
    assert 1048576 == argon["max_input_tokens"]
    haiku = next(each for each in lists["anthropic"] if each["model_id"] == "claude-haiku-5-5")
    assert datetime(2026, 10, 21, tzinfo=UTC) == haiku["created"]
    assert "active" == haiku["lifecycle"]
    assert haiku["retires_at"] is None
    assert [True, False] == [cron.insert_new_model("openai", "gpt-5-turbo", "GPT-5 Turbo") for _ in range(2)]
    existing = cron.get_existing_models_from_db()
    added = next(each for each in existing["openai"] if each["model_id"] == "gpt-5-turbo")
    assert "GPT-5 Turbo" == added["model_display_name"]
    assert added["is_current"] is False
    assert added["is_available"] is False
    assert Decimal(0) == added["cost_per_1m_input_tokens"]
    with pytest.raises(BadInput, match="unknown provider 'mistral'"):
        cron.insert_new_model("mistral", "m", "M")


def test_the_public_functions_raise_on_failure(check: Check) -> None:
    """A list that cannot be had is an error, never an empty list."""
    check.fail("openai", kind="status", status=500)
    with pytest.raises(ProviderUnavailable):
        cron.get_openai_models(KEYS["openai"])
    check.fail("openai", kind="body", status=200, body={})
    with pytest.raises(BadResponse):
        cron.get_openai_models(KEYS["openai"])


def test_importing_the_script_is_light() -> None:
    """Importing the script loads no provider's SDK, reads no setting and opens no database."""
    code = (
        "import sys; import psycopg2; psycopg2.connect = None; import weekly_model_check_cron\n"
        "print([name for name in ('openai', 'anthropic', 'google.genai', 'genai_prices') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "LLM_MAX_WORKERS": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[]\n" == done.stdout


def test_a_wrong_setting_is_named_in_a_line_of_the_log() -> None:
    """On Railway a setting that cannot be used is a JSON line on stdout with level error; nothing is on stderr."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "weekly_model_check_cron.py")],
        env={"LLM_MAX_WORKERS": "many", "RAILWAY_ENVIRONMENT_NAME": "production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode
    assert "" == done.stderr
    first = json.loads(done.stdout.splitlines()[0])
    assert "error" == first["level"]
    assert "LLM_MAX_WORKERS" in first["message"]


def test_help_and_bad_arguments(check: Check) -> None:
    """--help ends with 0 and an unknown provider with 2."""
    codes = []
    for arguments in (["--help"], ["--provider", "mistral"]):
        with pytest.raises(SystemExit) as ended:
            weekly.main(arguments)
        codes.append(ended.value.code)
    assert [0, 2] == codes


def test_a_lost_lock_is_free_again(db: Database) -> None:
    """The lock lives as long as its connection: after a check ends, also by an error, the next one may work."""
    with pytest.raises(BadInput), model_check.CheckLock(db):
        raise BadInput("stop")
    with model_check.CheckLock(db), pytest.raises(model_check.AlreadyChecking), model_check.CheckLock(db):
        pytest.fail("two checks at once")
