"""What the weekly check announces: models that go or come back, prices, and switches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from llm_monitoring.ledger.budget import Budget
from llm_monitoring.registry import admin
from llm_monitoring.registry.admin import Author
from tests.integration.weekly_check import CURRENT, STEADY, Check, messages


@pytest.mark.ci
def test_a_model_that_vanishes_is_announced_once(check: Check) -> None:
    """Missing from two checks in a row is reported at the second, once; failures in between do not count."""
    check.good()
    check.change("openai", remove=[STEADY])
    first = check.good()
    check.fail("openai", kind="status", status=500)
    failed = check.good()
    check.environment.server.faults.set([])
    second, third = check.good(), check.good()
    line = f"👋 openai/{STEADY} ya no aparece en la lista del proveedor (dos comprobaciones seguidas)"
    assert [0, 0, 1, 0] == [messages(events, "warn").count(line) for events in (first, failed, second, third)]
    assert (True, 3) == tuple(check.registry()[f"openai {STEADY}"][name] for name in ("is_available", "missing_checks"))


@pytest.mark.ci
def test_a_model_that_comes_back_is_no_longer_missed(check: Check) -> None:
    """A miss is forgotten when the model is listed again; an announced one is reported as back and announced again."""
    listed = check.environment.server.models.find("openai", STEADY)
    assert listed is not None
    check.good()
    counts = []
    for gone in (True, False, True, True, False, True, True):
        check.change("openai", **({"remove": [STEADY]} if gone else {"add": [listed]}))
        events = check.good("--provider", "openai")
        counts.append([len(messages(events, event=f"model.{each}")) for each in ("going", "back")])
    # retirements that come anyway are reported at the first of these checks
    assert [[0, 0], [0, 0], [1, 0], [0, 1], [0, 0], [1, 0]] == counts[1:]


def test_the_current_model_vanishing_is_an_error_until_another_answers(check: Check) -> None:
    """The error names a priced successor, comes at every check, switches nothing, and the daily run works on."""
    check.good()
    check.change("openai", remove=[CURRENT])
    early, error, again = check.good(), check.good(), check.good()
    lines = [messages(events, "error") for events in (early, error, again)]
    assert [] == lines[0]
    assert lines[1] == lines[2]
    expected = (
        f"❌ openai/{CURRENT}, el modelo actual, ya no aparece en la lista del proveedor (dos comprobaciones "
        f"seguidas). Sucesor con precio: openai/{STEADY}; "
        f"cámbielo con `python -m llm_monitoring models activate openai {STEADY}`"
    )
    assert [expected] == lines[1]
    assert check.registry()[f"openai {CURRENT}"]["is_current"]
    check.environment.add_project(
        check.environment.add_user("a@example.com", ["openai"]), ["¿Qué programa recomiendas?"], ["openai"]
    )
    code, output = check.environment.run()
    assert 0 == code, output
    assert 1 == check.environment.count("llm_monitoring_results"), output
    check.change("openai", retire=[CURRENT])
    check.environment.rows("DELETE FROM llm_monitoring_results RETURNING id")
    assert 1 == check.environment.run()[0]


@pytest.mark.ci
def test_a_retirement_within_30_days_is_announced(check: Check) -> None:
    """An end within 30 days is reported once, for the current model as an error; one taken back is forgotten."""
    listed = {
        name: check.environment.server.models.find("anthropic", name)
        for name in ("claude-sonnet-5-5", "claude-haiku-5-5")
    }
    now = datetime.now(UTC)
    check.good()
    for name, days in (("claude-sonnet-5-5", 29), ("claude-haiku-5-5", 31)):
        end = (now + timedelta(days=days)).isoformat()
        check.change("anthropic", add=[{**(listed[name] or {}), "lifecycle": "deprecated", "retires_at": end}])
    events = check.good()
    day = f"{now + timedelta(days=29):%Y-%m-%d}"
    expected = (
        f"❌ anthropic/claude-sonnet-5-5, el modelo actual, se retira el {day}. Sucesor con precio: "
        "anthropic/claude-haiku-5-5; cámbielo con `python -m llm_monitoring models activate anthropic claude-haiku-5-5`"
    )
    assert [expected] == messages(events, "error")
    check.change("anthropic", add=[listed["claude-sonnet-5-5"]])
    events = check.good()
    assert [] == messages(events, "error")
    assert 1 == len(messages(events, event="model.back"))


@pytest.mark.ci
def test_an_alias_that_was_never_listed_is_not_missed(check: Check) -> None:
    """An alias with a listed dated model, and an id that the list's filter drops, are not missing."""
    check.environment.rows(
        "INSERT INTO llm_model_registry (llm_provider, model_id) VALUES ('perplexity', 'openai/gpt-6.1-sol'), "
        "('openai', 'gpt-0-bygone') RETURNING id"
    )
    for _ in range(3):
        check.good()
    missed = {name for name, row in check.registry().items() if row["missing_checks"]}
    assert {"openai gpt-0-bygone"} == missed
    assert "anthropic claude-haiku-4-5" in check.registry()


@pytest.mark.ci
def test_a_price_that_rises_is_announced_with_its_day(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the sixth of December the check says what begins on the first of January, and what an admin can do."""
    monkeypatch.setattr(Budget, "pricing_times", lambda self: (datetime(2026, 12, 6, tzinfo=UTC),))
    (line,) = messages(check.good(), "warn", "model.price_changes")
    assert line.startswith(
        "📅 google/gemini-3.8-flash: cambia de precio el 2027-01-01 (UTC): entrada $0.75 → $1.5, salida $3.75 → $7.5, "
        "entrada en caché $0.075 → $0.15, "
    )


@pytest.mark.ci
def test_a_rise_that_has_begun_is_said_until_it_is_decided(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its day a known rise is said at every check, and no more once an admin has decided."""
    monkeypatch.setattr(Budget, "pricing_times", lambda self: (datetime(2027, 1, 3, tzinfo=UTC),))
    before = messages(check.good(), "warn", "model.price_changes")
    check.environment.rows(
        "UPDATE llm_model_registry SET priced_on = '2027-01-03' WHERE llm_provider = 'google' RETURNING id"
    )
    after = messages(check.good(), "warn", "model.price_changes")
    assert ["💱 google/gemini-3.8-flash: cambió de precio el 2027-01-01"] == [
        each.partition(" (UTC)")[0] for each in before
    ]
    assert [] == after


@pytest.mark.ci
def test_the_check_keeps_what_the_list_says_of_later_prices(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rise that is not in the database yet comes in with its day; one that the list no longer names goes."""
    monkeypatch.setattr(Budget, "pricing_times", lambda self: (datetime(2026, 12, 6, tzinfo=UTC),))
    check.environment.rows(
        "UPDATE llm_model_prices SET valid_from = '2026-12-24' WHERE model_id = 'gemini-3.8-flash' RETURNING id"
    )
    check.good()
    rows = check.environment.rows("SELECT valid_from, source FROM llm_model_prices WHERE model_id = 'gemini-3.8-flash'")
    assert [(date(2027, 1, 1), "library")] == [(row["valid_from"], row["source"]) for row in rows]


def test_price_drift_is_told_with_both_figures(check: Check) -> None:
    """A price that is not the list's is reported if its model is approved, however small the difference."""
    check.environment.rows(
        "UPDATE llm_model_registry SET cost_per_1m_input_tokens = CASE model_id WHEN 'gpt-6.1-terra' THEN 0.989 "
        "WHEN 'gpt-6-luna' THEN 0.0999 ELSE 99 END WHERE llm_provider = 'openai' RETURNING id"
    )
    check.environment.rows(
        "UPDATE llm_model_registry SET price_tiers = '[]', cost_per_1k_searches = 5 "
        "WHERE model_id = 'claude-haiku-5-5' RETURNING id"
    )
    lines = messages(check.good(), "warn", "model.price_drift")
    terra = "💱 openai/gpt-6.1-terra: precio de entrada, $0.989 en el registro y $1 según genai-prices 0.2.3: openai"
    luna = "💱 openai/gpt-6-luna: precio de entrada, $0.0999 en el registro y $0.1 según genai-prices 0.2.3: openai"
    haiku = "💱 anthropic/claude-haiku-5-5: precio de {}, ${} en el registro y ${} según genai-prices 0.2.3: anthropic"
    tiers = (
        ("escritura de caché", "0.125", "0.625"),
        ("escritura de caché de una hora", "0.2", "1"),
        ("entrada en caché", "0.01", "0.05"),
        ("entrada", "0.1", "0.5"),
        ("salida", "0.5", "2.5"),
    )
    assert lines == [
        f"{terra} gpt-6.1-terra",
        f"{luna} gpt-6-luna",
        f"{haiku} claude-haiku-5-5".format("1.000 búsquedas", "5", "10"),
        *(f"{haiku} claude-haiku-5-5".format(f"{name} por encima de 100000 tokens", *usd) for name, *usd in tiers),
    ]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("validated", [True, False])
def test_automatic_switching(check: Check, monkeypatch: pytest.MonkeyPatch, *, validated: bool) -> None:
    """LLM_AUTO_SWITCH_MODELS replaces a retiring current model, only by an approved, priced and validated one."""
    monkeypatch.setenv("LLM_AUTO_SWITCH_MODELS", "true")
    if validated:
        row = admin.find(check.environment.db, "openai", STEADY)
        admin.mark_validated(check.environment.db, row, Author("test", "it answered"))
    check.good()
    check.change("openai", retire=[CURRENT])
    check.good()
    events = check.good()
    current = check.environment.rows(
        "SELECT model_id FROM llm_model_registry WHERE llm_provider = 'openai' AND is_current"
    )
    line = f"🔁 openai: el modelo actual pasa de {CURRENT} a {STEADY} (LLM_AUTO_SWITCH_MODELS)"
    assert (STEADY if validated else CURRENT) == current[0]["model_id"]
    assert ([line] if validated else []) == messages(events, "warn", "model.switched")
    if validated:
        latest = admin.history(check.environment.db, "openai", STEADY, 1)[0]
        assert "weekly_check" == latest["changed_by"]
        assert f"LLM_AUTO_SWITCH_MODELS: {CURRENT} is going (missing)" == latest["reason"]
        assert {"is_current": [False, True]} == latest["changes"]


@pytest.mark.ci
def test_without_the_setting_nothing_is_switched(check: Check) -> None:
    """A validated successor is named and waits for a person."""
    row = admin.find(check.environment.db, "openai", STEADY)
    admin.mark_validated(check.environment.db, row, Author("test", "it answered"))
    check.good()
    check.change("openai", retire=[CURRENT])
    check.good()
    events = check.good()
    assert 1 == len(messages(events, "error"))
    assert check.registry()[f"openai {CURRENT}"]["is_current"] is True
