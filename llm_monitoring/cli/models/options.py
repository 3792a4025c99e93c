"""Arguments and options that the commands on models share."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

import click

from llm_monitoring import domain
from llm_monitoring.cli.base.command import PROVIDER
from llm_monitoring.errors import Invalid
from llm_monitoring.registry.admin import TIER_RATES, Author

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")

F = TypeVar("F", bound=Callable[..., Any])

TIER: Final = re.compile(r"(?P<start>[1-9][0-9]{0,8}):(?P<rates>.+)")


def model_arguments(command: F) -> F:
    """PROVIDER and MODEL, as every command on one model takes them."""
    return click.argument("provider", type=PROVIDER)(click.argument("model")(command))


def author_options(command: F) -> F:
    """`--reason` and `--by`, as every command that changes the registry takes them."""
    reason = click.option("--reason", help="Why; it stays in the history. Asked for on a terminal.")
    by = click.option("--by", help="Who; by default the user of this machine.")
    return reason(by(command))


def author(reason: str | None, by: str | None) -> Author:
    """The author of a change and the reason, which a person is asked for; raises Invalid without a reason."""
    if reason is None and sys.stdin.isatty():
        reason = click.prompt("Why (stays in the history)", err=True)
    if not (reason or "").strip():
        raise Invalid("reason", "a change of the registry needs a reason: --reason TEXT")
    return Author((by or "").strip() or f"cli:{machine_user()}", (reason or "").strip())


def machine_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


def require_person(*, yes: bool) -> None:
    """Raise BadInput if no one can confirm a paid call; before anything is paid."""
    if not yes and not sys.stdin.isatty():
        raise Invalid("yes", "there is no terminal to confirm on: add --yes")


class Usd(click.ParamType[Decimal, Any]):
    """An amount in USD; whether it can be a price is checked with the others."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        return domain.parse_usd(str(value))


class Tier(click.ParamType[dict[str, Any], Any]):
    """A price tier: `272000:input=4,output=15`, in USD per million tokens above that many input tokens."""

    name = "START:RATES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        match = TIER.fullmatch(str(value).replace(" ", ""))
        rates = dict(item.partition("=")[::2] for item in match["rates"].split(",")) if match else {}
        if match is None or not rates or not rates.keys() <= set(TIER_RATES):
            raise Invalid(
                "tier", f"{value!r} is no price tier: write 272000:input=4,output=15 (also cached, cache_write)"
            )
        amounts = {name: f"{domain.parse_usd(text):f}" for name, text in rates.items()}
        return {"above_input_tokens": int(match["start"]), **amounts}
