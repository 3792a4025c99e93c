"""`budget reconcile`: a month of the ledger compared with a provider's cost export."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import IO, Final

import click

from llm_monitoring.cli.base.command import PROVIDER, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json, usd
from llm_monitoring.cli.base.periods import Month
from llm_monitoring.cli.base.session import Session
from llm_monitoring.cli.budget.cost_exports import read_export
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.ledger import reconciliation
from llm_monitoring.ledger.reconciliation import ReconciledLine, Reconciliation

SHOWN: Final[Columns] = {
    "Key": "key",
    "Model": "model",
    "Calls": "calls",
    "Ledger": lambda row: usd(row["ledger_usd"]),
    "of it in doubt": lambda row: usd(row["in_doubt_usd"]),
    "Provider": lambda row: usd(row["provider_usd"]),
    "Difference": lambda row: usd(row["difference_usd"]),
    "%": "percent",
}


@click.command(epilog=example("budget reconcile --provider openai --csv costs.csv --month 2026-10"))
@click.option("--provider", type=PROVIDER, required=True, help="The provider that the export is from.")
@click.option("--csv", "file", type=click.File("rb"), required=True, help="The export; - reads standard input.")
@click.option("--month", type=Month(), help="Which month, in UTC; the current one by default.")
@json_option
@click.pass_context
def reconcile(
    ctx: click.Context, *, provider: ProviderName, file: IO[bytes], month: date | None, as_json: bool
) -> None:
    """Compare a month of the ledger with a provider's cost export, key by key and model by model.

    The file is CSV with a header, and its titles may be in any order and case. Needed are a day (date, usage_date_utc,
    start_time_iso, start_time …), a model (model, model_version, line_item …) and an amount in USD (cost_usd,
    amount_value, cost …); a key (api_key_last4, api_key …) splits the comparison if it ends in the last four
    characters of a stored key. These are the cost exports of OpenAI (grouped by line item) and of
    Anthropic, and “date,model,api_key_last4,cost_usd” for every other. Lines of other months are left out. A dated
    model counts as its name without the date, a display name as its model; fees that an export lists apart from models
    are lines of their own.

    Differences are ledger minus provider, in USD and in percent of the provider's amount. Calls in doubt are in the
    ledger at their ceiling, so it may hold more than was billed, never less. Exits with 1 if the sum or a line differs
    by more than 1 percent and by more than half a cent for each amount that the export rounds to whole cents.
    """
    month = month or datetime.now(UTC).date().replace(day=1)
    export = read_export(file, provider)
    with ctx.ensure_object(Session).app() as app:
        result = reconciliation.reconcile(app.budget, app.keys, provider, month, export)
    rows, total = [line_fields(line) for line in result.lines], line_fields(result.total)
    if as_json:
        show_json({"month": month, "agrees": result.agrees, "total": total, "lines": rows})
    else:
        show_reconciliation(result, [*rows, total])
    ctx.exit(0 if result.agrees else 1)


def line_fields(line: ReconciledLine) -> Row:
    return {
        "key": line.key,
        "model": line.model,
        "calls": line.calls,
        "ledger_usd": line.ledger_usd,
        "in_doubt_usd": line.in_doubt_usd,
        "provider_usd": line.provider_usd,
        "difference_usd": line.difference_usd,
        "percent": line.percent,
    }


def show_reconciliation(result: Reconciliation, rows: list[Row]) -> None:
    other = f", {result.left_out} of other months left out" if result.left_out else ""
    say(f"{result.provider}, {result.month:%Y-%m}: {result.used} lines of the export{other}; amounts in USD.")
    print_table(rows, SHOWN)
    if not result.by_model:
        say("The export is grouped by nothing: only the sum is compared. Group it by line item to see models.")
    say("They agree within 1 %." if result.agrees else "THEY DIFFER by more than 1 %.")
