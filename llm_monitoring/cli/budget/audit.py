"""`budget audit`: checks the counters against the ledger and repairs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import click

from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import Columns, Fields, print_table, say, show_json
from llm_monitoring.cli.base.session import Session
from llm_monitoring.db import Row
from llm_monitoring.ledger import Audit, Budget, Standing, balance_operator
from llm_monitoring.process.wording import counted

SHOWN_ATTEMPTS: Final = 20
DIFFERENCES: Final[Columns] = {
    "User": "user_id",
    "Month": "month",
    "Spent: counter": "counted_spent",
    "Spent: ledger": "ledger_spent",
    "Reserved: counter": "counted_reserved",
    "Reserved: ledger": "ledger_reserved",
}
ATTEMPTS: Final[Columns] = {
    "Entry": "id",
    "Kind": "kind",
    "State": "state",
    "Provider": "llm_provider",
    "Model": "model_id",
    "Mode": "mode",
    "Run": "run_id",
    "Ceiling": "ceiling_usd",
    "Charged": "charged_usd",
    "Reserved at": "reserved_at",
}
OVER_BUDGET: Final[Columns] = {
    "User": "user_id",
    "Spent": "spent_usd",
    "Reserved": "reserved_usd",
    "Limit": "budget_usd",
}
OVER_CEILING: Final[Columns] = {
    "User": "user_id",
    "Provider": "llm_provider",
    "Model": "model_id",
    "Mode": "mode",
    "Ceiling": "ceiling_usd",
    "Charged": "charged_usd",
}
OPEN: Final[Columns] = {"User": "user_id", "Calls": "attempts", "Reserved": "ceiling_usd"}
OVER_ADMITTED: Final[Columns] = {
    "Entry": "id",
    "User": "user_id",
    "Month": "month",
    "Committed": "committed_usd",
    "Limit": "budget_usd",
    "Reserved at": "reserved_at",
}
LEFT_OPEN: Final[Columns] = {
    "Entry": "id",
    "User": "user_id",
    "State": "state",
    "Run": "run_id",
    "Ceiling": "ceiling_usd",
    "Reserved at": "reserved_at",
}
OPERATOR: Final[Columns] = {name: field for name, field in DIFFERENCES.items() if name != "User"}
REPAIRED: Final[Columns] = {
    "User": "user_id",
    "Month": "month",
    "Spent: was": "counted_spent",
    "Spent: is": "current_month_spend",
    "Reserved: was": "counted_reserved",
    "Reserved: is": "reserved_spend_usd",
}


@click.command(epilog=example("budget audit", "budget audit --fix"))
@click.option("--fix", is_flag=True, help="Set counters that differ to the sums of their ledger entries.")
@json_option
@click.pass_context
def audit(ctx: click.Context, *, fix: bool, as_json: bool) -> None:
    """Check the ledger and its counters; changes nothing without --fix.

    Three rules are checked: every counter is the sum of its ledger entries; no call was admitted with spent and
    reserved above the limit; no call of a dead run is still open after a later run. Exits with 1 if one is
    broken, and lists the differences with their ledger entries.

    --fix sets the counters to the sums of the entries, each user in its own transaction, and lists the changes; it
    is safe during a run. Entries are never changed: calls left open are settled by the next daily run.

    Notes follow that are not differences: users above their limit, calls billed above their reservation, calls that
    are open now.
    """
    with ctx.ensure_object(Session).app() as app:
        found = app.budget.audit()
        entries = {each["user_id"]: entries_of(app.budget, each) for each in found.differences}
        repaired = repair(app.budget, found) if fix else []
        if fix and found.operator_difference is not None:
            balance_operator(app.budget, app.budget.month())
        left = app.budget.audit() if fix else found
    if as_json:
        show_json(audit_fields(left) | {"differences": with_entries(found, entries), "repaired": repaired})
    else:
        show_audit(found, entries)
        show_repairs(repaired, fix=fix)
    ctx.exit(0 if left.clean else 1)


def entries_of(budget: Budget, difference: Row) -> list[Row]:
    return budget.attempts_of(difference["user_id"], difference["month"])


def repair(budget: Budget, found: Audit) -> list[Row]:
    """Repair the counters that differ, user by user; return the changes."""
    repairs = (budget.repair(each["user_id"]) for each in found.differences)
    return [{name: row[name] for name in REPAIRED.values() if isinstance(name, str)} for row in repairs if row]


def with_entries(found: Audit, entries: dict[int, list[Row]]) -> list[Row]:
    return [each | {"entries": entries[each["user_id"]]} for each in found.differences]


def audit_fields(found: Audit) -> dict[str, Any]:
    return {
        "in_balance": not found.differences,
        "clean": found.clean,
        "attempts": found.attempts,
        "users": found.users,
        "charged_usd": found.charged_usd,
        "over_admitted": found.over_admitted,
        "left_open": found.left_open,
        "over_budget": [standing_fields(each) for each in found.over_budget],
        "over_ceiling": found.over_ceiling,
        "open_attempts": found.open_attempts,
        "operator_difference": found.operator_difference,
    }


def standing_fields(standing: Standing) -> Row:
    return {
        "user_id": standing.user_id,
        "spent_usd": standing.spent_usd,
        "reserved_usd": standing.reserved_usd,
        "budget_usd": standing.budget_usd,
    }


def show_audit(found: Audit, entries: dict[int, list[Row]]) -> None:
    """Print the result, the broken rules and the notes."""
    say(f"Ledger entries: {found.attempts}, users: {found.users}, charged in all: {found.charged_usd:f} USD.")
    if found.differences:
        say(f"NOT IN BALANCE: the counters of {counted(len(found.differences), 'user')} are not those of the ledger:")
        print_table(found.differences, DIFFERENCES)
        for user_id, rows in entries.items():
            show_entries(user_id, rows)
    else:
        say("No difference: every counter is the sum of its ledger entries.")
    show_section(
        "BROKEN: the operator's account is not the sum of its calls",
        [found.operator_difference] if found.operator_difference else [],
        OPERATOR,
    )
    show_section("BROKEN: calls admitted above the limit", found.over_admitted, OVER_ADMITTED)
    show_section("BROKEN: calls of a dead run that a later run did not settle", found.left_open, LEFT_OPEN)
    show_section("Note: spent and reserved above the limit", map(standing_fields, found.over_budget), OVER_BUDGET)
    show_section("Note: calls billed above their reservation (last 62 days)", found.over_ceiling, OVER_CEILING)
    show_section(
        "Note: calls open now, of a run under way or one that died (its next start settles them)",
        found.open_attempts,
        OPEN,
    )


def show_entries(user_id: int, rows: list[Row]) -> None:
    earlier = len(rows) - SHOWN_ATTEMPTS
    more = f" (the last {SHOWN_ATTEMPTS}; --json has the {earlier} before them)" if earlier > 0 else ""
    show_section(f"Ledger entries of user {user_id} in that month{more}", rows[-SHOWN_ATTEMPTS:], ATTEMPTS)


def show_repairs(repaired: list[Row], *, fix: bool) -> None:
    if fix:
        say(f"Repaired: the counters of {counted(len(repaired), 'user')} are now the sums of their ledger entries.")
        show_section("What they were and are", repaired, REPAIRED)


def show_section(title: str, rows: Iterable[Fields], columns: Columns) -> None:
    listed = list(rows)
    if listed:
        say(f"{title}:")
        print_table(listed, columns)
