"""`models price`: prices with their author and day, and what is refused."""

from __future__ import annotations

import getpass
import json
from decimal import Decimal

import pytest

from llm_monitoring import registry
from llm_monitoring.registry import admin as model_admin
from tests.integration.models_command import RATES, Admin


def test_prices_are_set_with_their_author(admin: Admin) -> None:
    """Every price has its option; what is not given stays; the change is on record exactly."""
    admin.done(
        "price", "openai", "gpt-5.4-mini", "--input", "0.7512345678", "--output", "4.5", "--cached", "0.07",
        "--cache-write", "1", "--search-fee", "10", "--request-fee", "0.005", "--max-searches", "4",
        "--tier", "200000:input=1.5,output=9,cached=0.1,cache_write=2", "--tier", "100000:input=1", "--reason", "page",
    )  # fmt: skip
    admin.done("price", "openai", "gpt-5.4-mini", "--request-fee", "0", "--reason", "no fee")
    row = admin.row("openai", "gpt-5.4-mini")
    price = registry.read_entry(row).read_price()
    assert price is not None
    assert [
        (0, "0.7512345678", "4.5", "0.07", "1"),
        (100000, "1", "4.5", "1", "1"),
        (200000, "1.5", "9", "0.1", "2"),
    ] == [
        (tier.above_input_tokens, *(f"{getattr(tier, name).normalize():f}" for name in RATES)) for tier in price.tiers
    ]
    assert Decimal("0.01") == price.search_usd
    assert Decimal(0) == price.request_usd
    assert 4 == row["max_searches_per_call"]
    last, first = model_admin.history(admin.environment.db, "openai", "gpt-5.4-mini", 2)
    assert {"cost_per_request": [Decimal("0.005"), Decimal(0)]} == last["changes"]
    assert [Decimal("0.75"), Decimal("0.7512345678")] == first["changes"]["cost_per_1m_input_tokens"]
    assert "page" == first["reason"]
    assert f"cli:{getpass.getuser()}" == first["changed_by"]


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "say what to set: --input, --output or another price, or --suggested"),
        (("--input", "0"), "input: a price of zero would make calls free; give the real one"),
        (("--output", "0.0"), "output: a price of zero would make calls free; give the real one"),
        (("--search-fee", "0"), "searches: a price of zero would make calls free; give the real one"),
        (("--input=-1",), "input: -1 is not a price in USD from 0 to 100,000"),
        (("--input", "100000"), "input: 100000 is not a price in USD from 0 to 100,000"),
        (("--input", "nan"), "'nan' is no amount in USD"),
        (("--input", "1,5"), "'1,5' is no amount in USD"),
        (("--cached", "0.00000000001"), "cached: 1E-11 has more than ten decimals"),
        (("--tier", "0:input=1"), "'0:input=1' is no price tier"),
        (("--tier", "1000:price=1"), "'1000:price=1' is no price tier"),
        (("--tier", "1000:input=0"), "tier input: a price of zero would make calls free; give the real one"),
        (("--tier", "1000:input=1", "--tier", "1000:input=2"), "two price tiers start at the same number"),
        (("--tier", "1000:input=1", "--no-tiers"), "--tier and --no-tiers contradict each other"),
        (("--suggested",), "openai/gpt-5.4-mini has no suggested prices: give them as options"),
    ],
)
def test_price_refused(admin: Admin, options: tuple[str, ...], message: str) -> None:
    """What is no price is refused in one line with code 2, and nothing changes."""
    before = admin.state()
    line = admin.refused("price", "openai", "gpt-5.4-mini", *options, "--reason", "x")
    assert before == admin.state()
    assert message == line[: len(message)]


def test_a_new_base_price_does_not_keep_old_tiers(admin: Admin) -> None:
    """Where a model has tiers, a new base price says what becomes of them."""
    before = admin.state()
    line = admin.refused("price", "openai", "gpt-6.1-terra", "--input", "1.2", "--reason", "x")
    assert before == admin.state()
    assert "openai/gpt-6.1-terra has price tiers as well: give them again with --tier, or say --no-tiers" == line
    admin.done("price", "openai", "gpt-6.1-terra", "--input", "1.2", "--no-tiers", "--reason", "x")
    assert [] == admin.row("openai", "gpt-6.1-terra")["price_tiers"]


def test_a_dated_price_is_entered_and_shown(admin: Admin) -> None:
    """A price of a later day is kept with its day and author, shown with the others, and not in force before."""
    admin.environment.db.execute("DELETE FROM llm_model_prices")
    admin.done(
        "price", "google", "gemini-3.8-flash", "--input", "1.5", "--output", "7.5", "--from", "2999-01-01",
        "--reason", "page", "--by", "ana",
    )  # fmt: skip
    shown = json.loads(admin.done("show", "google", "gemini-3.8-flash", "--json"))["prices"]
    assert [(None, "registry", True, 0.75), ("2999-01-01", "admin", False, 1.5)] == [
        (each["from"], each["source"], each["in_force"], float(each["input"])) for each in shown
    ]
    assert Decimal("0.75") == admin.row("google", "gemini-3.8-flash")["cost_per_1m_input_tokens"]


def test_the_list_shows_the_prices_of_today(admin: Admin) -> None:
    """A known rise that has begun is in the list, though the registry's columns hold the price before it."""
    admin.environment.db.execute(
        "UPDATE llm_model_prices SET valid_from = '2026-11-24' WHERE model_id = 'gemini-3.8-flash'"
    )
    listed = json.loads(admin.done("list", "--provider", "google", "--json"))
    flash = [each for each in listed if each["model_id"] == "gemini-3.8-flash"]
    assert [1.5] == [float(each["cost_per_1m_input_tokens"]) for each in flash]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--input", "1", "--from", "2999-01-01"),
            "prices of a later day are an input and an output price: --input",
        ),
        (("--input", "1", "--output", "2", "--max-searches", "2", "--from", "2999-01-01"), "a cap on searches holds"),
        (("--input", "0", "--output", "2", "--from", "2999-01-01"), "input: a price of zero would make calls free"),
        (("--input", "1", "--output", "2", "--from", "tomorrow"), "'tomorrow' is no day"),
        (("--priority-factor", "0.5"), "google/gemini-3.8-flash: these prices are refused"),
    ],
)
def test_a_dated_price_is_whole(admin: Admin, arguments: tuple[str, ...], message: str) -> None:
    """What a later day's price lacks is said in one line, and nothing changes."""
    before = admin.state()
    line = admin.refused("price", "google", "gemini-3.8-flash", *arguments, "--reason", "x")
    assert before == admin.state(), line
    assert line.startswith(message), line
