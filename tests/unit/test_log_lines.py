"""The log lines that operators filter on, word for word with their levels, as the documents for operators list them."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest

from llm_monitoring.jobs import daily_log, weekly_log
from llm_monitoring.ledger import Standing
from llm_monitoring.model_review.findings import ModelReview, NewModel
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import RegistryEntry
from llm_monitoring.runs.reasons import ProblemCode, ProjectProblem
from llm_monitoring.runs.report import DayReport, ProjectReport
from llm_monitoring.runs.stats import RunStats
from llm_monitoring.runs.tasks import Completeness, UnknownCalls
from tests.registry_rows import registry_entry

DAILY = """
INFO    🕒 === MULTI-LLM BRAND MONITORING CRON JOB STARTED ===
INFO    💰 Verificando límites de presupuesto...
WARNING ⚠️ 1 usuario(s) cerca del límite:
WARNING    User #123: $85.00 / $100.00 (85.0%)
WARNING ⚠️ 1 usuario(s) sobre presupuesto:
WARNING    User #124: $105.00 / $100.00 (105.0%)
INFO    💰 Verificando límites de presupuesto...
INFO    ✅ Presupuesto OK (2 usuario(s))
INFO    🔑 Obteniendo API keys...
INFO    ✅ API keys disponibles: ['openai', 'google']
INFO    🚀 Iniciando análisis de todos los proyectos activos...
INFO    📊 RESULTADOS DEL ANÁLISIS
INFO    ✅ Proyecto #1
INFO       Duración: 42.3s
INFO       Queries: 60
INFO       LLMs: 4
INFO    📈 RESUMEN FINAL
INFO       Total proyectos: 1
INFO       ✅ Exitosos: 1
INFO       ❌ Fallidos: 0
INFO       📊 Total queries: 60
INFO       💰 Coste estimado: $0.1200
INFO    🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY
"""
TROUBLED = """
INFO    💰 Verificando límites de presupuesto...
WARNING ⚠️ 1 usuario(s) sobre presupuesto:
WARNING    User #124: $105.00 / $100.00 (105.0%)
ERROR   ❌ No se puede continuar: presupuesto excedido
ERROR   💥 LLM MONITORING CRON JOB ABORTED DUE TO BUDGET
INFO    🔑 Obteniendo API keys...
ERROR   ❌ No hay ninguna API key: véase `python -m llm_monitoring setup`, o `python -m llm_monitoring keys set`
ERROR   💥 LLM MONITORING CRON JOB FAILED: NO API KEYS
ERROR   ❌ the disk is full
ERROR   💥 LLM MONITORING CRON JOB CRASHED
INFO    📊 RESULTADOS DEL ANÁLISIS
INFO    ✅ Proyecto #1
INFO       Duración: 42.3s
INFO       Queries: 60
INFO       LLMs: 4
ERROR   ❌ Proyecto #2: el proyecto no tiene usuario que lo pague; asígnele uno
INFO    📈 RESUMEN FINAL
INFO       Total proyectos: 2
INFO       ✅ Exitosos: 1
INFO       ❌ Fallidos: 1
INFO       📊 Total queries: 60
INFO       💰 Coste estimado: $0.1200
WARNING 🔔 LLM MONITORING CRON JOB COMPLETED WITH WARNINGS
"""
WEEKLY = """
INFO    🕒 === WEEKLY MODEL CHECK CRON JOB STARTED ===
INFO    🔑 API keys disponibles: ['openai', 'google', 'perplexity']
INFO    📋 Obteniendo modelos registrados en BD...
INFO       openai: 3 modelos (1 actual(es))
INFO    🔍 Consultando APIs de proveedores...
INFO       OpenAI: 5 modelos encontrados
INFO    🆕 Detectando nuevos modelos...
INFO    🆕 OPENAI: 1 modelo(s) nuevo(s):
INFO       • gpt-5-turbo
INFO          ✅ Insertado: openai/gpt-5-turbo
INFO    📊 RESUMEN
INFO    🆕 Se encontraron nuevos modelos
WARNING    ⚠️ ACCIÓN REQUERIDA:
WARNING       1. Revisar los nuevos modelos en llm_model_registry
WARNING       2. Actualizar precios (cost_per_1m_input/output_tokens)
WARNING       3. Marcar como disponible (is_available=TRUE)
WARNING       4. Opcionalmente, marcar como actual (is_current=TRUE)
INFO    🎉 MODEL CHECK COMPLETED SUCCESSFULLY
ERROR   ❌ No se pudo consultar a ningún proveedor: revise las API keys y la red
ERROR   💥 MODEL CHECK FAILED
"""


def standing(user_id: int, spent: int) -> Standing:
    return Standing(user_id, Decimal(spent), Decimal(0), Decimal(100), Decimal(80), has_active_projects=True)


def report(*more: ProjectReport) -> DayReport:
    cells = {name: Completeness(15, 15, 0, 0, None, None) for name in ("openai", "anthropic", "google", "perplexity")}
    done = ProjectReport(1, "P", 1, 42.3, 60, Decimal("0.12"), cells, skipped=False, error=None)
    nothing = UnknownCalls(0, Decimal(0))
    return DayReport(1, [done, *more], RunStats(), Decimal("0.12"), in_balance=True, unknown_calls=nothing)


def lines(caplog: pytest.LogCaptureFixture) -> str:
    found = [f"{record.levelname:<8}{record.getMessage()}" for record in caplog.records]
    return "\n".join(["", *(line for line in found if "💡" not in line), ""])


def test_a_good_day(caplog: pytest.LogCaptureFixture) -> None:
    """Each line of a day that is done, users near and over their limit included."""
    caplog.set_level("INFO")
    daily_log.started()
    start = daily_log.StartLog()
    start.on_budgets([standing(123, 85), standing(124, 105)], may_spend=True)
    start.on_budgets([standing(1, 1), standing(2, 2)], may_spend=True)
    start.on_keys({}, ["openai", "google"])
    start.on_asking()
    assert 0 == daily_log.summary(report())
    assert lines(caplog) == DAILY


def test_a_day_in_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Each line of what ends a day or leaves a project out."""
    caplog.set_level("INFO")
    start = daily_log.StartLog()
    start.on_budgets([standing(124, 105)], may_spend=False)
    start.on_keys({}, [])
    assert 1 == daily_log.crashed(OSError("the disk is full"))
    problem = ProjectProblem(ProblemCode.NO_USER, 2)
    left_out = ProjectReport(2, "", None, 0.0, 0, Decimal(0), {}, skipped=False, error=problem)
    assert 0 == daily_log.summary(report(left_out))
    assert lines(caplog) == TROUBLED


def test_a_weekly_check(caplog: pytest.LogCaptureFixture) -> None:
    """Each line of a check that finds a new model, and of one that could ask no provider."""
    caplog.set_level("INFO")
    weekly_log.started(dry_run=False)
    weekly_log.keys(["openai", "google", "perplexity"], [])
    entries: list[RegistryEntry] = [registry_entry(f"gpt-{n}", is_current=n == 1) for n in (1, 2, 3)]
    weekly_log.registered(entries, ["openai"])
    weekly_log.asking()
    weekly_log.listed("openai", 5, None)
    new = (NewModel(ModelInfo("gpt-5-turbo", ""), None),)
    found = SimpleNamespace(
        provider="openai", new=new, unstorable=(), retiring=(), reappeared=(), drifts=(), price_changes=()
    )
    reviews = [cast("ModelReview", found)]
    weekly_log.reviewed(reviews, dry_run=False)
    assert 0 == weekly_log.summary(reviews, dry_run=False)
    assert 1 == weekly_log.no_provider_listed()
    assert lines(caplog) == WEEKLY
