"""T10: what recorded replies cost, worked out apart from the package: exact to 1e-10, never above the ceiling."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final

import pytest

from llm_monitoring import projects, registry
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import ProviderName
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.payment import PaymentService
from llm_monitoring.providers import ModelInfo, Question, Reply
from tests.admission import unsaved
from tests.faults.conftest import Note
from tests.faults.recorded import BY_HAND, PER_SEARCH, Counts, drawn
from tests.invariants import violations
from tests.ledger_view import read_ledger_view

DRAWN: Final = 200
NOW: Final = datetime(2026, 11, 28, tzinfo=UTC)  # prices have a day
LEAST: Final = Fraction(1, 10**10)  # what the ledger can hold; it rounds up


class Recorded:
    """A provider that hands over one recorded reply."""

    def __init__(self, counts: Counts) -> None:
        self.name: ProviderName = counts.provider
        self.counts = counts

    def send(self, question: Question) -> Reply:
        return Reply(200, self.counts.body, 5)

    def list_models(self) -> list[ModelInfo]:
        raise NotImplementedError

    def close(self) -> None: ...


@pytest.fixture
def ledger(watched_url: str) -> Iterator[Budget]:
    with Database(watched_url) as db:
        yield Budget(db, Decimal(10**7), clock=lambda: NOW)


def question(counts: Counts) -> Question:
    """The least question that such a reply can be the answer to: a byte a token, the search results left out."""
    turns = counts.searches + 1
    own = max(1, -(-(counts.input - counts.searches * PER_SEARCH) // turns))
    return Question(
        "x" * own, counts.model, counts.output, web_search=counts.searches > 0, max_searches=counts.searches
    )


def pay(ledger: Budget, user: int, counts: Counts) -> tuple[Fraction, Fraction]:
    """Pay for the reply as a run does; return what was charged and what was reserved."""
    model = registry.find_model(ledger.db, counts.provider, counts.model)
    assert model is not None
    asked, tariff = question(counts), model.tariff(None)
    quote = tariff.quote(asked, *ledger.pricing_times())
    call = Attempt(uuid.uuid4(), "probe", user, counts.provider, counts.model, "user", quote.ceiling_usd)
    payments = PaymentService(ledger, RowErrors())
    paid = payments.execute(unsaved(call, quote.price), asked, Recorded(counts), tariff)
    return Fraction(paid.charged_usd), Fraction(quote.ceiling_usd)


@pytest.mark.parametrize(("counts", "price"), BY_HAND, ids=str)
def test_t10_the_calculator_agrees_with_pencil_and_paper(counts: Counts, price: str) -> None:
    """The prices that the package is held to are themselves held to prices made by hand."""
    assert counts.price == Fraction(price)


def test_t10_charges_are_exact_and_within_the_ceiling(ledger: Budget, random: Random, note: Note) -> None:
    """Cached, written, thought, searched, on both sides of every tier's edge: the ledger holds the exact price."""
    user = projects.add_user(ledger.db, "a@example.com")
    cases = [counts for counts, _ in BY_HAND] + list(drawn(random, DRAWN))
    paid = [(counts, *pay(ledger, user, counts)) for counts in cases]
    inexact = [(c, float(charged), float(c.price)) for c, charged, _ in paid if not 0 <= charged - c.price < LEAST]
    above = [(c, float(charged), float(ceiling)) for c, charged, ceiling in paid if charged > ceiling]
    assert inexact == []
    assert above == []
    row = ledger.db.one("SELECT count(*) AS n, sum(charged_usd) AS usd FROM llm_call_attempts WHERE state = 'settled'")
    assert row == {"n": len(cases), "usd": sum(Decimal(each.numerator) / each.denominator for _, each, _ in paid)}
    assert violations(read_ledger_view(ledger.db.dsn)) == []
    note.add(replies=len(cases), worst_ceiling_to_charged=round(max(float(top / got) for _, got, top in paid), 1))
