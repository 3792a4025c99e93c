"""Options for the names and sites of a brand or a competitor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click

from llm_monitoring import analysis
from llm_monitoring.cli.base.output import say
from llm_monitoring.errors import Invalid

F = TypeVar("F", bound=Callable[..., Any])

LISTS: Final = ("aliases", "domains", "exclude")
REREAD: Final = (
    "Figures read the answers so far with the new names; `reanalyse --project {} --preview` shows what to store."
)
NO_NEW_NAME: Final = "--drop-old-name is for a new name: add it"


def name_options(role: str) -> Callable[[F], F]:
    """`--alias`, `--domain`, `--exclude`, `--case-sensitive` of a brand or a competitor."""

    def add(command: F) -> F:
        for option in (
            click.option("--case-sensitive/--any-case", default=None, help="Whether names count only as written."),
            click.option(
                "--exclude",
                multiple=True,
                metavar="PHRASE",
                help=f"A phrase with the {role}'s name in it that means something else; repeatable.",
            ),
            click.option(
                "--domain", "domains", multiple=True, metavar="HOST", help=f"A site of the {role}; repeatable."
            ),
            click.option(
                "--alias", "aliases", multiple=True, metavar="NAME", help=f"Another name of the {role}; repeatable."
            ),
        ):
            command = option(command)
        return command

    return add


def say_lists(names: Iterable[str]) -> None:
    """Say which names look like a list of several: each counts as one, as a whole."""
    for name in names:
        found = analysis.names_in(name)
        if len(found) > 1:
            say(f"Note: “{name}” counts as one name, as a whole. If it is {len(found)}, give each by itself.")


def old_name_option(command: F) -> F:
    """`--drop-old-name`: do not keep the former name as an alias."""
    option = click.option(
        "--drop-old-name", is_flag=True, help="Do not keep the old name as an alias: answers that use it count no more."
    )
    return option(command)


def clear_option(command: F) -> F:
    """`--clear`: empty a list."""
    option = click.option("--clear", multiple=True, type=click.Choice(LISTS), help="Empty this list; repeatable.")
    return option(command)


def details(options: dict[str, Any]) -> dict[str, Any]:
    """The fields that the options of `name_options` and `clear_option` give; other fields are left out."""
    given = {name: options[name] for name in LISTS if options[name]}
    for name, entries in given.items():
        if any(not entry.strip() for entry in entries):
            raise Invalid(name, f"an entry of {name} is empty; to empty the whole list: --clear {name}")
    cleared: dict[str, Any] = dict.fromkeys(options.get("clear", ()), ())
    if both := sorted(given.keys() & cleared.keys()):
        raise Invalid("clear", f"{', '.join(both)}: give new entries or --clear, not both")
    case = options["case_sensitive"]
    return given | cleared | ({} if case is None else {"case_sensitive": case})
