"""`models`: the registry of models: what they cost, which may be used, which one answers; each change on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from llm_monitoring import registry
from llm_monitoring.cli.base.command import PROVIDER, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_fields, show_json, show_rows
from llm_monitoring.cli.base.periods import DAY
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.models import probes
from llm_monitoring.cli.models.options import Tier, Usd, author, author_options, model_arguments
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.registry import admin
from llm_monitoring.registry.admin import EFFORTS, PRICES, STATES, TIER_RATES, Since

SHOWN_CHANGES: Final = 5
NUMBERS: Final[Mapping[str, str]] = {
    "Input": "cost_per_1m_input_tokens", "Output": "cost_per_1m_output_tokens",
    "Suggested input": "suggested_cost_per_1m_input_tokens",
    "Suggested output": "suggested_cost_per_1m_output_tokens",
}  # fmt: skip
DETAILS: Final[Columns] = {
    "Model": admin.full_name, "Name": "model_display_name", "State": admin.state,
    "Last listed (UTC)": "last_seen_at", "Checks that missed it": "missing_checks", "Lifecycle": "lifecycle",
    "Retires": "retires_at", "Answered a trial (UTC)": "validated_at", "Rejected (UTC)": "rejected_at",
    "Retired (UTC)": "retired_at", "Context, tokens": "max_tokens", "Longest answer, tokens": "max_output_tokens",
    "Reasoning effort": "reasoning_effort", "Searches a call, at most": "max_searches_per_call",
    "Calls": "total_queries", "Spent on it, USD": "total_cost", "Suggested by": "suggested_source",
    "Suggested on": "suggested_at",
}  # fmt: skip
PRICE_TITLES: Final = {
    "input": "Input, per million tokens", "output": "Output, per million tokens",
    "cached": "Cached input, per million tokens", "cache_write": "Cache write, per million tokens",
    "cache_write_1h": "Cache write of an hour, per million tokens", "searches": "Web search, per thousand",
    "request": "Request, each", "priority_factor": "Priority tier, times",
}  # fmt: skip
CHANGES: Final[Columns] = {
    "When (UTC)": "changed_at", "Model": lambda row: f"{row['llm_provider']}/{row['model_id']}", "Who": "changed_by",
    "Why": "reason", "What": lambda row: changes_line(row["changes"]),
}  # fmt: skip


DATED: Final[Columns] = {
    "From (UTC)": lambda row: row["from"] or "the start", "Source": "source",
    "In force": lambda row: "yes" if row["in_force"] else "", "Input": "input", "Output": "output", "Cached": "cached",
    "Cache write": "cache_write", "Searches": "searches", "Read in": "detail",
}  # fmt: skip


@click.group(epilog=example("models list --state new", "models price openai gpt-6.2-sol --input 2 --output 10"))
def models() -> None:
    """Decide which models answer and what they cost: prices are taken from this registry alone.

    A new model waits until it has a price (`price`) and is approved (`approve`); `activate` makes it the one that its
    provider's questions go to. Every change is kept with who made it, when and why.
    """


@models.command("list", epilog=example("models list", "models list --provider google --state new"))
@click.option("--provider", type=PROVIDER, help="Only this provider's.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@json_option
@pass_session
def list_models(session: Session, provider: ProviderName | None, state: str | None, *, as_json: bool) -> None:
    """List the models with their state and prices, in USD per million tokens.

    current: answers for its provider. approved: may be used. new: waits for a review. rejected, retired: out of use.
    Prices are those in force today. Suggested prices come from a public list; of these a rise with a day is charged
    from that day on, until `price` decides.
    """
    with session.app() as app:
        today = app.budget.today()
        rows = [
            {"state": admin.state(row), **shown(row), **prices_on(row, today)}
            for row in registry.overview(app.db, provider)
        ]
    found = [row for row in rows if state in (None, row["state"])]
    columns: Columns = {
        "Provider": "llm_provider", "Model": "model_id", "State": "state",
        **{title: number(column) for title, column in NUMBERS.items()},
        "Last listed": lambda row: day(row["last_seen_at"]), "Retires": lambda row: day(row["retires_at"]),
        "Note": note,
    }  # fmt: skip
    show_rows(found, columns, as_json=as_json, empty="No such model: `python weekly_model_check_cron.py` lists them.")


def shown(row: Row) -> Row:
    """The columns of the registry alone."""
    return {name: value for name, value in row.items() if name != "dated_prices"}


def prices_on(row: Row, day: date) -> dict[str, Decimal]:
    """The input and output prices in force on a day, as values of the registry's columns."""
    prices = registry.read_prices(row)
    if prices is None:
        return {}
    rates = prices.on(day).tiers[0]
    return {PRICES["input"]: rates.input, PRICES["output"]: rates.output}


def number(column: str) -> Callable[[Row], Decimal | None]:
    return lambda row: plain(row[column])


def plain(value: Decimal | None) -> Decimal | None:
    """An amount without trailing zeros; nothing for one that is not known or zero."""
    return Decimal(f"{value.normalize():f}") if value else None


def day(value: Any) -> str | None:
    return value and f"{value:%Y-%m-%d}"


def note(row: Row) -> str:
    return "gone from the provider's list" if row["missing_checks"] > 1 and row["retired_at"] is None else ""


@models.command(epilog=example("models show openai gpt-6.1-terra"))
@model_arguments
@json_option
@pass_session
def show(session: Session, provider: ProviderName, model: str, *, as_json: bool) -> None:
    """Show all that is known of a model: prices next to the suggested ones, dated prices, state, latest changes."""
    with session.app() as app:
        today = app.budget.today()
        row = admin.find(app.db, provider, model)
        changes = admin.history(app.db, provider, row["model_id"], SHOWN_CHANGES)
    if as_json:
        show_json({"state": admin.state(row), **shown(row), "prices": dated_rows(row, today), "history": changes})
        return
    show_fields(row, {title: source for title, source in DETAILS.items() if told(row, source)})
    say("")
    print_table(price_rows(row), {"USD": "name", "Charged": "charged", "Suggested": "suggested"})
    if dated := dated_rows(row, today):
        say("")
        print_table(dated, DATED)
    say("")
    print_table(changes, CHANGES)


def dated_rows(row: Row, today: date) -> list[dict[str, Any]]:
    """Every price of the model with the day from which it holds, in time, and whether it is in force."""
    prices = registry.read_prices(row)
    if prices is None:
        return []
    in_force = (prices.decision(today), prices.rise(today))
    return [
        {
            "from": None if each.valid_from == date.min else each.valid_from, "source": each.source,
            "detail": each.detail, "in_force": each in in_force,
            **{name: plain(each.columns[column]) for name, column in PRICES.items()},
        }
        for each in sorted((*prices.decided, *prices.known), key=lambda each: each.valid_from)
    ]  # fmt: skip


def told(row: Row, source: Any) -> bool:
    return not isinstance(source, str) or row[source] not in (None, 0)


def price_rows(row: Row) -> list[dict[str, Any]]:
    """The model's prices and fees, one a line; a tier's line names its rates."""
    lines = [
        {"name": PRICE_TITLES[name], "charged": plain(row[column]), "suggested": plain(row.get(f"suggested_{column}"))}
        for name, column in PRICES.items()
    ]
    tiers = tier_lines(row["price_tiers"]), tier_lines(row["suggested_price_tiers"])
    starts = sorted(tiers[0].keys() | tiers[1].keys())
    return lines + [
        {"name": f"Above {start} input tokens", "charged": tiers[0].get(start), "suggested": tiers[1].get(start)}
        for start in starts
    ]


def tier_lines(tiers: list[dict[str, Any]]) -> dict[int, str]:
    return {
        tier["above_input_tokens"]: ", ".join(
            f"{name} {plain(Decimal(tier[name]))}" for name in TIER_RATES if name in tier
        )
        for tier in tiers
    }


def changes_line(changes: dict[str, list[Any]]) -> str:
    return "; ".join(f"{column}: {value(was)} → {value(now)}" for column, (was, now) in sorted(changes.items()))


def value(found: Any) -> str:
    return f"{found.normalize():f}" if isinstance(found, Decimal) else str(found)


@models.command(
    epilog=example(
        'models price openai gpt-6.2-sol --suggested --reason "checked on the price page"',
        "models price google gemini-3.8-flash --input 1.5 --output 7.5 --from 2027-01-01",
        "models price openai gpt-6.2-sol --input 2 --output 10 --search-fee 10 --tier 272000:input=4,output=15",
    )
)
@model_arguments
@click.option("--input", type=Usd(), help="Per million input tokens.")
@click.option("--output", type=Usd(), help="Per million output tokens, reasoning included.")
@click.option("--cached", type=Usd(), help="Per million input tokens read from the cache.")
@click.option("--cache-write", type=Usd(), help="Per million input tokens written to the cache.")
@click.option("--cache-write-1h", type=Usd(), help="Per million input tokens written to the cache for an hour.")
@click.option("--search-fee", "searches", type=Usd(), help="Per thousand web searches.")
@click.option("--request-fee", "request", type=Usd(), help="Per request.")
@click.option("--priority-factor", type=Usd(), help="Times the price of every token in the priority tier.")
@click.option("--max-searches", type=click.IntRange(1, 100), help="Most searches that one call can be billed for.")
@click.option("--tier", "tiers", type=Tier(), multiple=True, help="Prices of long prompts; repeatable.")
@click.option("--no-tiers", is_flag=True, help="Long prompts cost as others do.")
@click.option("--suggested", is_flag=True, help="Take the suggested prices; options next to it win.")
@click.option("--from", "since", type=DAY, help="The day (UTC) from which they hold; today if left out.")
@author_options
@pass_session
def price(
    session: Session, /, provider: ProviderName, model: str, reason: str | None, by: str | None, **options: Any
) -> None:
    """Set what a model costs, in USD, from today or from a later day on. What is not given stays as it is.

    Without input and output prices above zero a model cannot be called. Without --cached and --cache-write such tokens
    cost as other input does. Input and output together are a decision: a rise that is known and has begun by then is
    not charged any more.
    """
    with session.app() as app:
        row = admin.find(app.db, provider, model)
        since = Since(options["since"] or app.budget.today(), app.budget.today())
        prices = (admin.suggested_prices(row, since.day) if options["suggested"] else {}) | given_prices(options)
        admin.set_prices(app.db, row, prices, author(reason, by), since)
        row = admin.find(app.db, provider, row["model_id"])
    if since.day > since.today:
        say(f"{admin.full_name(row)} costs from {since.day} on, in USD:")
        print_table(dated_rows(row, since.today), DATED)
        return
    say(f"{admin.full_name(row)} costs from now on, in USD:")
    print_table(price_rows(row), {"USD": "name", "Charged": "charged", "Suggested": "suggested"})
    if registry.read_price(row) is None:
        say("It cannot be called yet: it needs an input and an output price.")


def given_prices(options: dict[str, Any]) -> dict[str, Any]:
    """The columns that the options set; raises BadInput where they contradict each other."""
    if options["tiers"] and options["no_tiers"]:
        raise Invalid("tiers", "--tier and --no-tiers contradict each other")
    found = {column: options[name] for name, column in PRICES.items() if options[name] is not None}
    if options["max_searches"] is not None:
        found["max_searches_per_call"] = options["max_searches"]
    if options["tiers"] or options["no_tiers"]:
        found["price_tiers"] = sorted(options["tiers"], key=lambda tier: tier["above_input_tokens"])
    return found


@models.command(epilog=example('models approve openai gpt-6.2-sol --reason "reviewed" --reasoning-effort low'))
@model_arguments
@click.option("--reasoning-effort", type=click.Choice(EFFORTS), help="How long it may think; not every model takes it.")
@author_options
@pass_session
def approve(
    session: Session,
    provider: ProviderName,
    model: str,
    reasoning_effort: str | None,
    reason: str | None,
    by: str | None,
) -> None:
    """Let a model be used: activated, or asked for the sentiment of mentions where it is the cheapest."""
    with session.app() as app:
        row = admin.find(app.db, provider, model)
        admin.approve(app.db, row, author(reason, by), reasoning_effort)
        row = admin.find(app.db, provider, row["model_id"])
    priced = registry.read_price(row) is not None
    say(f"{admin.full_name(row)} is approved" + ("." if priced else ", and cannot be called before it has a price."))


@models.command(epilog=example('models reject openai gpt-6.2-astra-law --reason "not for us"'))
@model_arguments
@author_options
@pass_session
def reject(session: Session, provider: ProviderName, model: str, reason: str | None, by: str | None) -> None:
    """Keep a model out of use. A provider's current model cannot be rejected."""
    with session.app() as app:
        row = admin.find(app.db, provider, model)
        admin.reject(app.db, row, author(reason, by))
    say(f"{admin.full_name(row)} is rejected.")


@models.command(epilog=example('models retire openai gpt-5.4-mini --reason "shut down"'))
@model_arguments
@author_options
@pass_session
def retire(session: Session, provider: ProviderName, model: str, reason: str | None, by: str | None) -> None:
    """Take a model out of use for good; checks announce it no more. A provider's current model cannot be retired."""
    with session.app() as app:
        row = admin.find(app.db, provider, model)
        admin.retire(app.db, row, author(reason, by))
    say(f"{admin.full_name(row)} is retired.")


@models.command(epilog=example("models history", "models history openai gpt-6.1-terra --json"))
@click.argument("provider", type=PROVIDER, required=False)
@click.argument("model", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, latest first.")
@json_option
@pass_session
def history(session: Session, provider: ProviderName | None, model: str | None, limit: int, *, as_json: bool) -> None:
    """Show who changed what, when and why: in all the registry, of a provider, or of a model."""
    with session.app() as app:
        model_id = admin.find(app.db, provider, model)["model_id"] if model else None
        rows = admin.history(app.db, provider, model_id, limit)
    show_rows(rows, CHANGES, as_json=as_json, empty="Nothing was changed yet.")


for command in (probes.probe, probes.activate, probes.compare):
    models.add_command(command)
