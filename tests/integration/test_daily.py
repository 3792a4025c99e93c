"""The daily job in a process of its own, against a real database and a loopback provider that keeps a bill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from decimal import Decimal

import pytest

import llm_monitoring
from llm_monitoring.db.migrations import migrate
from llm_monitoring.errors import ConfigurationError
from tests.environment import KEYS, ONE_SDK, Environment, open_environment
from tests.fork_server import ROOT

PROMPTS = [
    "¿Qué programa de facturación recomiendas?",
    "Mejores alternativas para autónomos",
    "¿Qué es Quipu?",
]


def test_a_legacy_database_is_migrated_asked_and_charged_to_the_digit(legacy_database_url: str) -> None:
    """On the host's older tables every task gets a result and the spend is the provider's bill, digit by digit."""
    with open_environment(legacy_database_url) as environment:
        migrate(environment.db)
        environment.give_keys(1)
        environment.give_keys(2)
        before = environment.spent(1) + environment.spent(2)
        code, output = environment.run()
        assert 0 == code, output
        assert 12 == environment.count("llm_monitoring_results WHERE analysis_date > '2026-01-15'"), output
        assert output.rstrip().endswith("🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY")
        assert before == Decimal("12.3456")
        assert environment.spent(1) + environment.spent(2) - before == environment.billed() > 0
        audit = environment.audit()
        assert audit.differences == []
        assert audit.over_ceiling == []
        assert audit.open_attempts == []
        assert environment.leaks() == []


def test_the_log_lines_are_those_that_operators_filter_on(environment: Environment) -> None:
    """A good run prints the document's lines in their order, and JSON events on Railway."""
    environment.add_project(environment.add_user("a@example.com", ["openai", "google"]), PROMPTS)
    code, output = environment.run(extra={"RAILWAY_ENVIRONMENT_NAME": "production"})
    events = [json.loads(line) for line in output.splitlines()]
    messages = [event["message"] for event in events if event["level"] == "info"]
    expected = [
        "🕒 === MULTI-LLM BRAND MONITORING CRON JOB STARTED ===",
        "💰 Verificando límites de presupuesto...",
        "✅ Presupuesto OK (1 usuario(s))",
        "🔑 Obteniendo API keys...",
        "✅ API keys disponibles: ['openai', 'google']",
        "🚀 Iniciando análisis de todos los proyectos activos...",
        "📊 RESULTADOS DEL ANÁLISIS",
        "✅ Proyecto #1",
        "   Queries: 6",
        "   LLMs: 2",
        "📈 RESUMEN FINAL",
        "   Total proyectos: 1",
        "   ✅ Exitosos: 1",
        "   ❌ Fallidos: 0",
        "   📊 Total queries: 6",
        f"   💰 Coste estimado: ${environment.charged():.4f}",
        "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY",
    ]
    assert 0 == code
    assert [message for message in messages if message in expected] == expected
    done = next(event for event in events if event["message"] == "✅ Proyecto #1")
    assert "project.done" == done["event"]
    assert 1 == done["project_id"]
    assert 1 == done["user_id"]


def test_a_host_calls_the_day_as_a_function(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """`analyze_all_active_projects` gives one dict a project, and as many calls at a time as it is told."""
    project = environment.add_project(environment.add_user("a@example.com", ["openai"]), PROMPTS, ["openai"])
    for name, text in environment.variables().items():
        monkeypatch.setenv(name, text)
    (report,) = llm_monitoring.analyze_all_active_projects(max_workers=40)
    cost = report["total_cost_usd"]
    assert {
        "project_id": project,
        "duration_seconds": report["duration_seconds"],
        "total_queries_executed": 3,
        "llms_analyzed": 1,
        "total_cost_usd": environment.billed(),
        "skipped": False,
        "completeness_by_llm": {"openai": {"planned": 3, "valid": 3, "failed": 0, "percent": 100.0}},
    } == report
    assert cost > 0
    with pytest.raises(ConfigurationError, match="LLM_MAX_WORKERS is '0': it must be a whole number from 1"):
        llm_monitoring.analyze_all_active_projects(max_workers=0)


def test_a_second_run_of_the_day_asks_and_pays_nothing(environment: Environment) -> None:
    """What the day already has is not asked again."""
    environment.add_project(environment.add_user("a@example.com"), PROMPTS)
    environment.run()
    billed = environment.billed()
    code, output = environment.run()
    assert 0 == code
    assert environment.billed() == billed
    assert "   📊 Total queries: 0" in output
    assert "COMPLETED SUCCESSFULLY" in output


@pytest.mark.ci
def test_a_project_that_asks_nobody_costs_nothing(environment: Environment) -> None:
    """A host's empty list of assistants is nobody, not everybody: the project is named with what to do."""
    user = environment.add_user("a@example.com", ["openai"])
    asked, idle = (environment.add_project(user, PROMPTS, ["openai"], name=name) for name in ("asked", "idle"))
    environment.db.execute("UPDATE llm_monitoring_projects SET enabled_llms = '{}' WHERE id = %(id)s", {"id": idle})
    code, output = environment.run()
    assert 0 == code, output
    assert f"❌ Proyecto #{idle}: no tiene ningún asistente activado" in output, output
    assert [asked] == [
        row["project_id"] for row in environment.rows("SELECT DISTINCT project_id FROM llm_call_attempts")
    ]


@pytest.mark.ci
def test_a_project_without_prompts_is_not_called_complete(environment: Environment) -> None:
    """Where a project has no active prompt, the run says so, and not that its day is complete."""
    project = environment.add_project(environment.add_user("a@example.com"), [])
    code, output = environment.run()
    assert 0 == code
    assert f"✅ Proyecto #{project}" in output
    assert f"   Sin prompts activos: `python -m llm_monitoring queries list {project}`" in output
    assert "El día ya estaba completo" not in output


@pytest.mark.ci
def test_a_killed_run_is_completed_and_pays_twice_only_in_doubt(database_url: str) -> None:
    """After kill -9 the next start completes the day; only calls in doubt are paid again, and the ledger balances."""
    with open_environment(database_url, latency_ms=60) as environment:
        user = environment.add_user("a@example.com", ONE_SDK)
        environment.add_project(user, [f"¿Qué programa es mejor para el caso {n}?" for n in range(24)], ONE_SDK)
        process = environment.start()
        deadline = time.monotonic() + 20
        while environment.count("llm_monitoring_results") < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        environment.finish(process)
        assert 10 <= environment.count("llm_monitoring_results") < 48
        code, output = environment.run()
        assert 0 == code, output
        assert 48 == environment.count("llm_monitoring_results"), output
        repeated = environment.rows(
            "SELECT count(*) FILTER (WHERE state = 'settled') AS settled FROM llm_call_attempts WHERE kind = 'answer' "
            "GROUP BY project_id, query_id, task_provider"
        )
        assert all(row["settled"] <= 1 for row in repeated)
        assert environment.audit().differences == []
        assert environment.audit().open_attempts == []
        assert environment.spent(user) >= environment.billed()
        assert environment.leaks() == []


@pytest.mark.ci
def test_a_user_over_budget_is_blocked_and_the_others_run(environment: Environment) -> None:
    """A user at 100 % is listed as blocked; everyone else is asked, and the run ends with warnings."""
    poor, rich = (environment.add_user(f"{name}@example.com", ONE_SDK, "10.00") for name in ("poor", "rich"))
    blocked, asked = (environment.add_project(user, PROMPTS, ONE_SDK) for user in (poor, rich))
    environment.budget.correct(poor, Decimal("10.50"), "spent elsewhere")
    code, output = environment.run()
    assert code == 0
    assert "⚠️ 1 usuario(s) sobre presupuesto:" in output
    assert f"   User #{poor}: $10.50 / $10.00 (105.0%)" in output
    assert f"❌ Proyecto #{blocked}: bloqueado" in output
    assert f"✅ Proyecto #{asked}" in output
    assert "🔔 LLM MONITORING CRON JOB COMPLETED WITH WARNINGS" in output
    asked_rows = environment.rows(
        "SELECT DISTINCT project_id, user_id FROM llm_call_attempts WHERE sent_at IS NOT NULL"
    )
    assert [(row["project_id"], row["user_id"]) for row in asked_rows] == [(asked, rich)]


def test_everyone_over_budget_aborts_without_a_call(environment: Environment) -> None:
    """Where nobody may spend, the job aborts with exit 1 and calls nobody."""
    user = environment.add_user("a@example.com", budget="1.00")
    environment.add_project(user, PROMPTS)
    environment.budget.correct(user, Decimal("1.00"), "spent elsewhere")
    code, output = environment.run()
    assert code == 1
    assert "❌ No se puede continuar: presupuesto excedido" in output
    assert "💥 LLM MONITORING CRON JOB ABORTED DUE TO BUDGET" in output
    assert 0 == environment.count("llm_call_attempts WHERE sent_at IS NOT NULL")
    assert 0 == len(environment.server.bill.lines)


def test_no_key_anywhere_fails(environment: Environment) -> None:
    """Without any key the job says so and exits 1."""
    environment.add_project(environment.add_user("a@example.com", []), PROMPTS)
    code, output = environment.run()
    assert 1 == code
    assert "💥 LLM MONITORING CRON JOB FAILED: NO API KEYS" in output
    assert "❌ No hay ninguna API key: véase `python -m llm_monitoring setup`, o " in output


@pytest.mark.ci
def test_an_unreadable_key_stops_its_user_alone(environment: Environment) -> None:
    """A token copied from another user is refused and never replaced by the operator's key; the other user runs."""
    broken, fine = environment.add_user("broken@example.com"), environment.add_user("fine@example.com")
    environment.db.execute(
        "UPDATE user_llm_api_keys k SET openai_api_key_encrypted = o.openai_api_key_encrypted, "
        "anthropic_api_key_encrypted = NULL, google_api_key_encrypted = 'garbage', perplexity_api_key_encrypted = NULL "
        "FROM user_llm_api_keys o WHERE k.user_id = %(broken)s AND o.user_id = %(fine)s",
        {"broken": broken, "fine": fine},
    )
    theirs, others = (
        environment.add_project(broken, PROMPTS, ["openai", "google"]),
        environment.add_project(fine, PROMPTS),
    )
    code, output = environment.run(extra={"OPENAI_API_KEY": "sk-operator-key-that-must-not-pay-000000"})
    assert code == 0
    assert f"❌ Proyecto #{theirs}: sin ninguna respuesta válida (openai: la API key no se puede leer)" in output
    assert f"✅ Proyecto #{others}" in output
    assert environment.count(f"llm_call_attempts WHERE user_id = {broken}") == 0


@pytest.mark.ci
def test_the_operators_key_stands_in_where_a_user_has_none(environment: Environment) -> None:
    """A provider's environment key is used for a user without one, and the attempt says so."""
    user = environment.add_user("a@example.com", [])
    environment.add_project(user, PROMPTS, ["openai", "perplexity"])
    code, output = environment.run(extra={"OPENAI_API_KEY": KEYS["openai"]})
    sources = environment.rows("SELECT DISTINCT llm_provider, key_source FROM llm_call_attempts")
    assert 0 == code
    assert [(row["llm_provider"], row["key_source"]) for row in sources] == [("openai", "operator")]
    assert "✅ API keys disponibles: ['openai']" in output
    _, simulated = environment.run("--dry-run", extra={"OPENAI_API_KEY": KEYS["openai"]})
    assert all("   Sin API key utilizable, no se pregunta a: perplexity" in said for said in (output, simulated))


def test_sigterm_drains_saves_and_exits(database_url: str) -> None:
    """On SIGTERM nothing more is sent, what is out is saved, and the next start completes the day."""
    with open_environment(database_url, latency_ms=400) as environment:
        user = environment.add_user("a@example.com", ONE_SDK)
        environment.add_project(user, [f"¿Qué programa va mejor, caso {n}?" for n in range(20)], ONE_SDK)
        process = environment.start(extra={"LLM_SENTIMENT": "false"})
        deadline = time.monotonic() + 20
        while environment.count("llm_call_attempts WHERE state = 'sent'") == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        code, output = environment.finish(process)
        assert 1 == code
        assert "señal de parada" in output
        assert "COMPLETED WITH WARNINGS" in output
        assert environment.count("llm_call_attempts WHERE state IN ('reserved', 'sent')") == 0
        assert environment.count("llm_call_attempts WHERE state = 'settled'") == environment.count(
            "llm_monitoring_results"
        )
        environment.run(extra={"LLM_SENTIMENT": "false"})
        assert environment.count("llm_call_attempts") == 40 == environment.count("llm_monitoring_results")


def test_a_dry_run_calls_and_spends_nothing(environment: Environment) -> None:
    """--dry-run shows prompts and ceilings and leaves no trace."""
    environment.add_project(environment.add_user("a@example.com"), PROMPTS)
    code, output = environment.run("--dry-run")
    assert 0 == code
    assert "   Total: 12 prompts, como máximo $" in output
    assert [environment.count("llm_call_attempts"), environment.count("llm_monitoring_analysis_runs")] == [0, 0]
    assert environment.server.bill.lines == ()


def test_a_dry_run_says_in_spanish_why_a_model_cannot_be_asked(environment: Environment) -> None:
    """A provider without a current model is a line in the job's language, with the command that shows it."""
    environment.add_project(environment.add_user("a@example.com", ["openai"]), PROMPTS, ["openai"])
    environment.db.execute(
        "UPDATE llm_model_registry SET is_current = FALSE WHERE llm_provider = 'openai' AND is_current"
    )
    _, output = environment.run("--dry-run")
    assert "openai (None): no tiene modelo actual: véase `python -m llm_monitoring models list`" in output


@pytest.mark.ci
def test_one_project_alone(environment: Environment) -> None:
    """--project asks one project and leaves the others."""
    user = environment.add_user("a@example.com", ["openai"])
    environment.add_project(user, PROMPTS, ["openai"], name="one")
    second = environment.add_project(user, PROMPTS, ["openai"], name="two")
    environment.run("--project", str(second))
    assert [
        row["project_id"] for row in environment.rows("SELECT DISTINCT project_id FROM llm_monitoring_results")
    ] == [second]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_a_project_that_cannot_be_asked_is_no_quiet_success(environment: Environment, arguments: list[str]) -> None:
    """--project with the number of no project, or of a paused one, is said and ends with 1."""
    user = environment.add_user("a@example.com")
    paused = environment.add_project(user, PROMPTS)
    environment.db.execute("UPDATE llm_monitoring_projects SET is_active = FALSE")
    for number in (paused, 99):
        code, output = environment.run("--project", str(number), *arguments)
        assert 1 == code, output
        assert f"❌ el proyecto {number} no existe o está en pausa" in output, output


@pytest.mark.short(every=2)
@pytest.mark.parametrize("arguments", [["--date", "soon"], ["--date", "2999-01-01"], ["--project", "x"], ["--what"]])
def test_bad_arguments_exit_2_in_one_line(environment: Environment, arguments: list[str]) -> None:
    """Bad arguments are named, with exit code 2."""
    code, output = environment.run(*arguments)
    assert 2 == code
    assert "error:" in output.splitlines()[-1]


def test_railway_without_a_database_is_refused(environment: Environment) -> None:
    """On Railway an embedded database would be lost, so the job stops with one line."""
    variables = environment.variables({"RAILWAY_ENVIRONMENT_NAME": "production"})
    del variables["DATABASE_URL"]
    ended = subprocess.run(
        environment.command(), env=variables, cwd="/", capture_output=True, text=True, timeout=30, check=False
    )
    assert 1 == ended.returncode
    assert "DATABASE_URL is not set on Railway" in ended.stdout
    assert "" == ended.stderr


def test_a_wrong_setting_is_named_in_one_line(environment: Environment) -> None:
    """A setting that cannot be used ends the job with exit 1, a line that names it, and nothing on stderr."""
    variables = environment.variables({"LLM_MAX_WORKERS": "many", "RAILWAY_ENVIRONMENT_NAME": "production"})
    ended = subprocess.run(
        environment.command(), env=variables, cwd="/", capture_output=True, text=True, timeout=30, check=False
    )
    first = json.loads(ended.stdout.splitlines()[0])
    assert 1 == ended.returncode
    assert "error" == first["level"]
    assert "LLM_MAX_WORKERS" in first["message"]
    assert ended.stderr == ""


def test_an_unreachable_database_is_critical(environment: Environment) -> None:
    """A database that does not exist ends the job at once with exit 1 and no traceback."""
    code, output = environment.run(extra={"DATABASE_URL": environment.url.replace("/test_", "/missing_")})
    assert 1 == code
    assert "CRASHED" in output
    assert "Traceback" not in output


def test_no_active_project_is_done_and_said(environment: Environment) -> None:
    """Without projects there is nothing to do, which is no failure."""
    environment.add_user("a@example.com")
    code, output = environment.run()
    assert 0 == code
    assert "No hay proyectos activos" in output


def test_the_scripts_names_need_no_database_and_no_sdk() -> None:
    """Importing the cron script opens nothing and imports no provider's SDK."""
    code = (
        "import daily_llm_monitoring_cron as d, sys; "
        "print(d.check_budget_limits, d.get_api_keys_from_db, d.update_monthly_spend, d.main); "
        "assert not {'openai', 'anthropic', 'google.genai', 'google.generativeai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=True, capture_output=True, timeout=30)
