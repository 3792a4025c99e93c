"""`models`: the registry of models: prices, approval and the current model; each change is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import click

from llm_monitoring import registry
from llm_monitoring.cli.base.command import PROVIDER, LateGroup, example, json_option
from llm_monitoring.cli.base.output import print_table, say, show_fields, show_json, show_rows
from llm_monitoring.cli.base.periods import DAY
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.models.options import Tier, Usd, author, author_options, model_arguments
from llm_monitoring.cli.models.tables import (
    CHANGES,
    DATED_PRICES,
    PRICES,
    dated_price_rows,
    details,
    list_row,
    price_rows,
    prices_on,
)
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.registry import COLUMNS, STATES, PriceUpdate, admin
from llm_monitoring.registry.admin import EFFORTS, Since

SHOWN_CHANGES: Final = 5


LATE: Final = {
    "activate": ("models.probes", "Make an approved and priced model the one that answers for PROVIDER."),
    "compare": (
        "models.compare",
        "Ask a project's prompts to two models, OLD and NEW, and show what a switch would change by itself.",
    ),
    "probe": (
        "models.probes",
        "Ask an approved model one small real question, and record that it answered; nothing is switched.",
    ),
}


@click.group(
    cls=LateGroup,
    late=LATE,
    epilog=example("models list --state new", "models price openai gpt-6.2-sol --input 2 --output 10"),
)
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
        rows = registry.overview(app.db, provider)
    known = [(row, registry.read_entry(row)) for row in rows]
    found = [(row, entry) for row, entry in known if state in (None, entry.state)]
    if as_json:
        show_json([{"state": entry.state, **columns(row), **prices_on(entry, today)} for row, entry in found])
    elif found:
        shown = [list_row(entry, prices_on(entry, today)) for _, entry in found]
        print_table(shown, {title: title for title in shown[0]})
    else:
        say("No such model: `python weekly_model_check_cron.py` lists them.")


def columns(row: Row) -> Row:
    """The registry's own columns of a row."""
    return {name: value for name, value in row.items() if name != "dated_prices"}


@models.command(epilog=example("models show openai gpt-6.1-terra"))
@model_arguments
@json_option
@pass_session
def show(session: Session, provider: ProviderName, model: str, *, as_json: bool) -> None:
    """Show all that is known of a model: prices next to the suggested ones, dated prices, state, latest changes."""
    with session.app() as app:
        today = app.budget.today()
        row = admin.find_row(app.db, provider, model)
        entry = registry.read_entry(row)
        changes = admin.history(app.db, provider, entry.model_id, SHOWN_CHANGES)
    dated = dated_price_rows(entry, today)
    if as_json:
        show_json({"state": entry.state, **columns(row), "prices": dated, "history": changes})
        return
    fields = details(entry)
    show_fields(fields, {title: title for title in fields})
    say("")
    print_table(price_rows(entry), PRICES)
    if dated:
        say("")
        print_table(dated, DATED_PRICES)
    say("")
    print_table(changes, CHANGES)


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
@click.option(
    "--priority-factor", type=Usd(), metavar="FACTOR", help="Times the price of every token in the priority tier."
)
@click.option(
    "--batch-factor", type=Usd(), metavar="FACTOR", help="Times the price of tokens in a batch, above 0 and at most 1."
)
@click.option(
    "--flex-factor",
    type=Usd(),
    metavar="FACTOR",
    help="Times the price of tokens in the flex tier, above 0 and at most 1.",
)
@click.option("--no-batch", is_flag=True, help="The model is not sold in batches.")
@click.option("--no-flex", is_flag=True, help="The model is not sold in the flex tier.")
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
        entry = admin.find(app.db, provider, model)
        since = Since(options["since"] or app.budget.today(), app.budget.today())
        update = given_prices(options)
        if options["suggested"]:
            suggested = admin.suggested_prices(entry, since.day)
            update = replace(suggested, **update.given(), not_sold=update.not_sold)
        admin.set_prices(app.db, entry, update, author(reason, by), since)
        entry = admin.find(app.db, provider, entry.model_id)
    if since.is_later:
        say(f"{entry.name} costs from {since.day} on, in USD:")
        print_table(dated_price_rows(entry, since.today), DATED_PRICES)
        return
    say(f"{entry.name} costs from now on, in USD:")
    print_table(price_rows(entry), PRICES)
    if entry.read_price() is None:
        say("It cannot be called yet: it needs an input and an output price.")


def given_prices(options: dict[str, Any]) -> PriceUpdate:
    """The prices that the options set; raises BadInput if they contradict each other."""
    if options["tiers"] and options["no_tiers"]:
        raise Invalid("tiers", "--tier and --no-tiers contradict each other")
    tiers = sorted(options["tiers"], key=lambda tier: tier["above_input_tokens"])
    return PriceUpdate(
        **{name: options[name] for name in COLUMNS},
        tiers=tiers if tiers or options["no_tiers"] else None,
        max_searches_per_call=options["max_searches"],
        not_sold=frozenset(f"{mode}_factor" for mode in ("batch", "flex") if options[f"no_{mode}"]),
    )


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
    """Let a model be used: activated, or asked for the sentiment of mentions if it is the cheapest."""
    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.approve(app.db, entry, author(reason, by), reasoning_effort)
        entry = admin.find(app.db, provider, entry.model_id)
    priced = entry.read_price() is not None
    say(f"{entry.name} is approved" + ("." if priced else ", and cannot be called before it has a price."))


@models.command(epilog=example('models reject openai gpt-6.2-astra-law --reason "not for us"'))
@model_arguments
@author_options
@pass_session
def reject(session: Session, provider: ProviderName, model: str, reason: str | None, by: str | None) -> None:
    """Keep a model out of use. A provider's current model cannot be rejected."""
    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.reject(app.db, entry, author(reason, by))
    say(f"{entry.name} is rejected.")


@models.command(epilog=example('models retire openai gpt-5.4-mini --reason "shut down"'))
@model_arguments
@author_options
@pass_session
def retire(session: Session, provider: ProviderName, model: str, reason: str | None, by: str | None) -> None:
    """Take a model out of use for good; checks announce it no more. A provider's current model cannot be retired."""
    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.retire(app.db, entry, author(reason, by))
    say(f"{entry.name} is retired.")


@models.command(epilog=example("models history", "models history openai gpt-6.1-terra --json"))
@click.argument("provider", type=PROVIDER, required=False)
@click.argument("model", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, latest first.")
@json_option
@pass_session
def history(session: Session, provider: ProviderName | None, model: str | None, limit: int, *, as_json: bool) -> None:
    """Show who changed what, when and why: in all the registry, of a provider, or of a model."""
    with session.app() as app:
        model_id = admin.find(app.db, provider, model).model_id if model else None
        rows = admin.history(app.db, provider, model_id, limit)
    show_rows(rows, CHANGES, as_json=as_json, empty="Nothing was changed yet.")
