"""`keys verify`: whether the stored keys work, for free."""

from __future__ import annotations

from typing import Final

import click

from llm_monitoring import projects
from llm_monitoring.cli.base.command import PROVIDER, example, json_option
from llm_monitoring.cli.base.output import Columns, show_rows
from llm_monitoring.cli.base.session import Session
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys import KeyCheck, check_keys

SHOWN: Final[Columns] = {
    "User": "user_id",
    "E-mail": "email",
    "Provider": "provider",
    "Owner": "source",
    "Ends in": "last_four",
    "Result": "result",
    "Models": "models",
    "Problem": "problem",
}


@click.command(epilog=example("keys verify", "keys verify ana@agency.example --provider openai"))
@click.argument("user", required=False)
@click.option("--provider", type=PROVIDER, help="Only this provider's keys.")
@json_option
@click.pass_context
def verify(ctx: click.Context, user: str | None, provider: ProviderName | None, *, as_json: bool) -> None:
    """Ask the providers whether the keys work, which costs nothing.

    The operator's and every user's, or USER's alone. Exits with 1 if one is refused or cannot be read.
    """
    with ctx.ensure_object(Session).app() as app:
        owner = projects.find_user(app.db, user)["id"] if user is not None else None
        listed = [
            key for key in app.keys.listing() if owner in (None, key.user_id) and provider in (None, key.provider)
        ]
        checked = check_keys(app.keys, app.settings, listed)
    show_rows(map(row_of, checked), SHOWN, as_json=as_json, empty="There are no such keys: `keys set USER PROVIDER`.")
    ctx.exit(1 if any(each.verdict in ("refused", "unreadable") for each in checked) else 0)


def row_of(checked: KeyCheck) -> Row:
    key = checked.key
    return {
        "user_id": key.user_id,
        "email": key.email,
        "provider": key.provider,
        "source": key.source,
        "last_four": key.last_four or None,
        "result": checked.verdict,
        "models": len(checked.models) if checked.verdict == "works" else None,
        "problem": checked.message or None,
    }
