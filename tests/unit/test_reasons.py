"""Reasons are codes; what they say is made for who reads it, and an outage is reported once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, get_args

import pytest

from llm_monitoring.domain import Task
from llm_monitoring.keys.encryption import KeyUnreadable
from llm_monitoring.keys.encryption import Reason as KeyReason
from llm_monitoring.ledger.accounts import Standing
from llm_monitoring.runs import reason_texts
from llm_monitoring.runs.call_errors import FailureLog
from llm_monitoring.runs.limits import ClosedReason
from llm_monitoring.runs.reason_texts import Language
from llm_monitoring.runs.reasons import Cause, ProblemCode, ProjectProblem, StopReason

SPANISH = re.compile(r"[¿¡áéíóúñ]|\b(el|la|los|las|de|que|sin|no se|con)\b")
ENGLISH = re.compile(r"\b(the|is|of|not|it|with|for|was)\b")


TABLES: tuple[Mapping[Any, dict[Language, str]], ...] = (
    reason_texts.STOPS,
    reason_texts.PROBLEMS,
    reason_texts.CLOSED,
    reason_texts.TASKS,
)


def texts(language: Language) -> list[str]:
    return [said[language] for table in TABLES for said in table.values()]


@pytest.mark.parametrize("code", [*StopReason, *ProblemCode, *get_args(ClosedReason)])
def test_every_code_has_a_text(code: str) -> None:
    """No code is without a sentence in either language."""
    assert [{"es", "en"}] == [set(table[code]) for table in TABLES[:3] if code in table][:1]


@pytest.mark.parametrize("reason", get_args(KeyReason))
def test_every_reason_of_an_unreadable_key_has_a_line(reason: KeyReason) -> None:
    """The log says in Spanish what is wrong with a stored key, and what to do."""
    line = reason_texts.key_line(KeyUnreadable(reason, 7, "google"))
    assert SPANISH.search(line)
    assert line.startswith("la API key de google no se puede leer: ")


def test_languages_do_not_mix() -> None:
    """No English sentence holds Spanish words, and no Spanish one English ones."""
    assert [] == [text for text in texts("en") if SPANISH.search(text)]
    assert [] == [text for text in texts("es") if ENGLISH.search(re.sub(r"`[^`]*`", "", text))]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("signal", "it was asked to stop"), ("una frase de antes", "una frase de antes"), (None, None)],
)
def test_older_rows_are_shown_as_they_are(stored: str | None, shown: str | None) -> None:
    """A code is read; a sentence that an earlier version stored stays as it is."""
    assert shown == reason_texts.stop_text(stored, "en")


@pytest.mark.parametrize(
    ("reason", "message", "spanish", "english"),
    [
        ("key_closed", "account_refused", "openai rechaza la cuenta", "openai refuses the key's account"),
        ("unavailable", "HTTP 503", "HTTP 503", "HTTP 503"),
        (
            "not_callable",
            "it has no price",
            "el modelo no se puede llamar",
            "the model cannot be called: it has no price",
        ),
        ("budget", "el techo de la llamada", "no cabe en lo que queda", "does not fit into what is left"),
    ],
)
def test_a_cause_is_said_in_the_readers_language(reason: str, message: str, spanish: str, english: str) -> None:
    """A reason of ours is said in the reader's language; a provider's words stay as they are."""
    cause = Cause("openai", reason, message)
    assert spanish in reason_texts.cause_text(cause, "es")
    assert english in reason_texts.cause_text(cause, "en")


def test_a_problem_names_its_facts() -> None:
    """A blocked project names the user and the budget that is used up, in both languages."""
    standing = Standing(7, Decimal(105), Decimal(0), Decimal(100), Decimal(80), has_active_projects=True)
    problem = ProjectProblem(ProblemCode.BLOCKED, 1, "P", 7, standing)
    assert "bloqueado, presupuesto mensual agotado: User #7: $105.00 / $100.00 (105.0%)" == reason_texts.problem_text(
        problem, "es"
    )
    assert reason_texts.problem_text(problem, "en").startswith(
        "blocked, the monthly budget is used up: User #7: $105.00"
    )


def test_an_outage_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """Of many equal failures the first are lines; then one says that it is an outage, and one that it is over."""
    log, task = FailureLog(), Task(1, 1, 1, "openai", date(2026, 11, 28), 1, "x", "es")
    for _ in range(59):
        log.failed(task, "unavailable", "HTTP 500")
    log.answered("openai")
    log.answered("openai")
    said = [vars(record)["event"] for record in caplog.records if record.levelname == "WARNING"]
    assert ["task.failed"] * 3 + ["provider.outage", "provider.back"] == said


def test_failures_of_single_prompts_are_all_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A prompt that is refused for itself is no outage."""
    log, task = FailureLog(), Task(1, 1, 1, "openai", date(2026, 11, 28), 1, "x", "es")
    for _ in range(5):
        log.failed(task, "refused", "the prompt is refused")
    assert 5 == len([record for record in caplog.records if record.levelname == "WARNING"])
