"""What is worth a notice: rates that moved, outages, spend far above the usual day, models that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import App
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.figures.change import Change
from llm_monitoring.jobs import digest
from llm_monitoring.notify import detectors
from llm_monitoring.projects import fingerprints
from llm_monitoring.settings.fields import load_settings
from tests.integration.webhook import Webhook, open_webhook

DAY = date(2026, 11, 23)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with open_webhook() as hook:
        yield hook


@pytest.fixture
def two(db: Database) -> list[projects.Project]:
    """Two users' projects with ten prompts each."""
    made = []
    for number in (1, 2):
        user = projects.add_user(db, f"{number}@example.com")
        new = projects.NewProject(user, f"P{number}", Entity("Quipu"), "software", providers=["openai", "google"])
        project_id = projects.add(db, new)
        projects.add_prompts(db, project_id, [f"¿Pregunta {n}?" for n in range(10)])
        made.append(projects.find(db, project_id))
    return made


def answers(
    db: Database,
    project: projects.Project,
    provider: str,
    first: date,
    last: date,
    mentioned: int,
    asked: int = 10,
    skip: int = 0,
) -> None:
    """Answers to `asked` prompts on every day, of which `mentioned`, others every day, mention the brand."""
    db.execute(
        "INSERT INTO llm_monitoring_results (project_id, query_id, llm_provider, analysis_date, query_text, brand_name,"
        " model_id, brand_mentioned, rules_fingerprint)"
        " SELECT q.project_id, q.id, %(provider)s, day::date, q.query_text, 'Quipu', 'm-1',"
        " row_number() OVER (PARTITION BY day ORDER BY (q.id * 7 + extract(DOY FROM day)::int) %% 10) <= %(mentioned)s,"
        " %(fingerprint)s"
        " FROM (SELECT * FROM llm_monitoring_queries WHERE project_id = %(project)s ORDER BY id LIMIT %(asked)s"
        " OFFSET %(skip)s) q,"
        " generate_series(%(first)s::date, %(last)s::date, '1 day') AS day",
        {"provider": provider, "project": project.id, "first": first, "last": last, "mentioned": mentioned,
         "asked": asked, "skip": skip, "fingerprint": fingerprints.fingerprint(project)},
    )  # fmt: skip


def failures(db: Database, project: projects.Project, provider: str, day: date, skip: int = 0) -> None:
    db.execute(
        "INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample, reason,"
        " message, final) SELECT project_id, id, %(provider)s, %(day)s, 1, 'unavailable', 'HTTP 503', FALSE"
        " FROM llm_monitoring_queries WHERE project_id = %(project)s ORDER BY id LIMIT 5 OFFSET %(skip)s",
        {"provider": provider, "project": project.id, "day": day, "skip": skip},
    )


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


@pytest.fixture
def app(db: Database, webhook: Webhook) -> App:
    from llm_monitoring.keys.store import KeyStore
    from llm_monitoring.ledger.budget import Budget

    settings = load_settings({"LLM_NOTIFY_URLS": webhook.url, "LLM_NOTIFY_TIMEOUT_SECONDS": "60"}, dotenv=False)
    db.execute("DELETE FROM llm_model_prices")
    return App(db, Budget(db), KeyStore(db, None, {}), settings)


def test_a_fall_and_a_rise_are_reported_once(
    db: Database, two: list[projects.Project], app: App, webhook: Webhook
) -> None:
    """A change beyond noise, for the worse or the better, is reported on the first day that shows it and not again."""
    falling, rising = two
    for provider in ("openai", "google"):
        answers(db, falling, provider, ago(20), ago(6), 8)
        answers(db, falling, provider, ago(5), DAY, 2)
        answers(db, rising, provider, ago(20), ago(6), 2)
        answers(db, rising, provider, ago(5), DAY, 8)
    for day in (ago(7), ago(1), DAY):
        digest.send(app, day, list, good=False)
    reported = [line for post in webhook.posts for line in post["message"].splitlines()]
    assert ["📉 Proyecto #1", "📈 Proyecto #2"] == [line.partition(" (")[0] for line in reported]
    assert "la tasa de mención baja del 80,0\N{NO-BREAK SPACE}% al" in reported[0]
    assert "10 prompts); se mueven todos los asistentes: Gemini" in reported[0]


def test_noise_is_not_reported(db: Database, two: list[projects.Project], app: App, webhook: Webhook) -> None:
    """A figure that moves within its interval is no news."""
    answers(db, two[0], "openai", ago(20), ago(7), 5)
    answers(db, two[0], "openai", ago(6), DAY, 6)
    answers(db, two[1], "openai", ago(20), DAY, 5)
    digest.send(app, DAY, list, good=False)
    assert [] == webhook.posts


@pytest.mark.parametrize(("after", "reported"), [("55.00", False), ("75.00", True)])
def test_what_one_look_shows_is_not_enough(after: str, *, reported: bool) -> None:
    """One who looks every day at every project needs more than the 95 % of one look."""
    before, now = Decimal(40), Decimal(after)
    change = Change(
        "mention_rate", None, before, now, now - before, now - before - 14, now - before + 14, 10, 20, "up", Decimal(95)
    )
    assert reported == detectors.is_sure(change)


@pytest.mark.ci
def test_an_outage_moves_no_brand(db: Database, two: list[projects.Project], app: App, webhook: Webhook) -> None:
    """What a failing provider still answered does not count against the brands; the provider is the news."""
    for project in two:
        answers(db, project, "openai", ago(20), ago(6), 10)
        for day in range(6):
            answers(db, project, "openai", ago(day), ago(day), 0, asked=5, skip=5 * (day % 2))
    assert [1, 2] == [move.project.id for move in detectors.moves(db, DAY, RowErrors())]
    for project in two:
        for day in range(6):
            failures(db, project, "openai", ago(day), skip=5 * (1 - day % 2))
    assert [ago(day) for day in (5, 4, 3, 2, 1, 0)] == [each.day for each in detectors.outages(db, ago(13), DAY)]
    digest.send(app, DAY, list, good=False)
    assert [f"🔌 openai falló para todos el {DAY}: 10 de 20 preguntas sin respuesta (HTTP 503)"] == [
        post["message"] for post in webhook.posts
    ]


def test_one_users_failures_are_no_outage(db: Database, two: list[projects.Project]) -> None:
    """A provider that fails for one user of several is not left out of anybody's figures."""
    answers(db, two[0], "openai", DAY, DAY, 10)
    failures(db, two[1], "openai", DAY)
    assert [] == detectors.outages(db, DAY, DAY)


def test_answers_read_otherwise_are_not_compared(db: Database, two: list[projects.Project]) -> None:
    """A brand with changed names did not fall: answers that were read with other names are left out."""
    answers(db, two[0], "openai", ago(20), ago(7), 8)
    db.execute("UPDATE llm_monitoring_results SET rules_fingerprint = 'before'")
    answers(db, two[0], "openai", ago(6), DAY, 2)
    assert [] == list(detectors.moves(db, DAY, RowErrors()))
    db.execute("UPDATE llm_monitoring_results SET rules_fingerprint = %(f)s", {"f": fingerprints.fingerprint(two[0])})
    assert [1] == [move.project.id for move in detectors.moves(db, DAY, RowErrors())]


def spend(db: Database, day: date, usd: str) -> None:
    db.execute(
        "INSERT INTO llm_call_attempts (id, kind, state, user_id, month, analysis_date, ceiling_usd, charged_usd,"
        " committed_usd, budget_usd, sent_at) VALUES (gen_random_uuid(), 'answer', 'settled', 1, '2026-11-01', %(day)s,"
        " 9, %(usd)s, 9, 100, now())",
        {"day": day, "usd": usd},
    )


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("usual", "today", "days", "reported"),
    [("1.00", "3.50", 6, True), ("1.00", "2.90", 6, False), ("0.01", "0.90", 6, False), ("1.00", "3.50", 4, False)],
    ids=["far above", "not thrice", "a few cents", "too few days to know"],
)
def test_spend_far_above_the_usual_day(db: Database, usual: str, today: str, days: int, *, reported: bool) -> None:
    """A day that costs more than thrice the median of the last days, by more than a dollar, is reported."""
    projects.add_user(db, "a@example.com")
    for day in range(1, days + 1):
        spend(db, ago(day), usual if day > 1 else "40.00")
    spend(db, DAY, today)
    assert reported == bool(list(detectors.spend_jumps(db, DAY)))


@pytest.mark.ci
def test_a_current_model_that_goes_is_reported_weekly(db: Database, app: App, webhook: Webhook) -> None:
    """A current model that its provider ends is reported at once, and weekly while it stays current."""
    db.execute(
        "UPDATE llm_model_registry SET retires_at = '2026-12-05', going_announced_at = now()"
        " WHERE is_current AND llm_provider = 'openai'"
    )
    for day in range(8):
        digest.send(app, DAY + timedelta(days=day), list, good=False)
    assert [True, True] == ["se retira el 2026-12-05" in post["message"] for post in webhook.posts]
