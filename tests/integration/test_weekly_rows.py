"""The weekly check next to models, keys and providers that break: the others are listed, compared and registered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import pytest

from llm_monitoring.db import Database
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.keys import listing
from llm_monitoring.model_review import check as model_check
from llm_monitoring.model_review.suggested_prices import SuggestedPrice
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import PriceEntry
from llm_monitoring.settings.fields import Settings
from tests.integration.weekly_check import Check, messages

REFUSE = """
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
$$ BEGIN IF NEW.model_id = 'gpt-5.5' THEN RAISE EXCEPTION 'the host refuses'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON llm_model_registry FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def seen(check: Check) -> set[str]:
    """The models that the check found in a list."""
    return {name for name, row in check.registry().items() if row["last_seen_at"] is not None}


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "poison",
    [
        "UPDATE llm_model_registry SET retires_at = '20000-01-01' WHERE model_id = 'gpt-5.5'",
        "UPDATE llm_model_registry SET validated_at = '0044-03-15 BC' WHERE model_id = 'gpt-5.5'",
        REFUSE,
    ],
    ids=["far away", "before Christ", "refused"],
)
def test_a_model_that_breaks_stops_alone(check: Check, poison: str) -> None:
    """It stays as it is and is named; every other model of its provider is compared and marked."""
    check.environment.db.execute(poison)
    before = check.registry()["openai gpt-5.5"]
    events = check.good()
    after = check.registry()
    assert str(before) == str(after["openai gpt-5.5"])
    assert {"openai gpt-6.1-terra", "openai gpt-6.2-sol", "google gemini-2.5-pro"} <= seen(check)
    assert any("openai/gpt-5.5" in each for each in messages(events, event="row.failed"))


def test_a_list_that_breaks_its_reader_stops_its_provider_alone(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no error of a provider foresees leaves the other providers' models registered."""
    list_models = listing.list_models

    def breaking(provider: ProviderName, secret: Secret, settings: Settings) -> Sequence[ModelInfo]:
        if provider == "google":
            raise RecursionError("maximum recursion depth exceeded")
        return list_models(provider, secret, settings)

    monkeypatch.setattr(model_check, "list_models", breaking)
    events = check.good()
    assert {"openai gpt-6.2-sol", "anthropic claude-mythos-5"} <= seen(check)
    assert any("RecursionError" in each for each in messages(events, event="row.failed"))


def test_a_factor_that_the_list_changes_replaces_the_known_one(db: Database) -> None:
    """A later price with another factor of batches is stored, though all its amounts are the same as before."""
    start, now = date(2027, 6, 1), datetime(2026, 11, 23, tzinfo=UTC)
    for factor in ("0.5", "0.75"):
        price = PriceEntry(Decimal(2), Decimal(9), request=Decimal(0), batch_factor=Decimal(factor))
        rises = ((start, SuggestedPrice(price, "a list")),)
        db.transact(partial(model_check.store_rises, provider="openai", model_id="gpt-6-luna", rises=rises, now=now))
    rows = db.all("SELECT batch_factor AS factor FROM llm_model_prices WHERE valid_from = %(day)s", {"day": start})
    assert [{"factor": Decimal("0.75")}] == rows
