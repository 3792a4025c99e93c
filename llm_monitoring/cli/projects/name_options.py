"""Options for the words that name a brand or a competitor, and what they say of an entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from llm_monitoring.analysis import Entity
from llm_monitoring.errors import Invalid

F = TypeVar("F", bound=Callable[..., Any])

LISTS: Final = ("aliases", "domains", "exclude")
REREAD: Final = (
    "Figures read the answers so far with the new names; `reanalyse --project {} --preview` shows what to store."
)


def name_options(whose: str) -> Callable[[F], F]:
    """`--alias`, `--domain`, `--exclude`, `--case-sensitive` of a brand or a competitor."""

    def add(command: F) -> F:
        for option in (
            click.option("--case-sensitive/--any-case", default=None, help="Whether names count only as written."),
            click.option("--exclude", multiple=True, metavar="PHRASE",
                         help=f"A phrase with the {whose}'s name in it that means something else; repeatable."),
            click.option("--domain", "domains", multiple=True, metavar="HOST",
                         help=f"A site of the {whose}; repeatable."),
            click.option("--alias", "aliases", multiple=True, metavar="NAME",
                         help=f"Another name of the {whose}; repeatable."),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def old_name_option(command: F) -> F:
    """`--drop-old-name`: refuse that a former name stays as an alias."""
    option = click.option(
        "--drop-old-name", is_flag=True, help="Do not keep the old name as an alias: answers that use it count no more."
    )
    return option(command)


def changed_entity(old: Entity, new_name: str | None, given: dict[str, Any], *, drop_old_name: bool) -> Entity:
    """What the options make of an entity; raises BadInput."""
    from llm_monitoring.projects.definition import renamed, write_entity

    if drop_old_name and new_name is None:
        raise Invalid("drop_old_name", "--drop-old-name is for a new name: add it")
    fresh = entity(old.name, **(write_entity(old) | given))
    return fresh if new_name is None else renamed(fresh, new_name, keep_old_name=not drop_old_name)


def clear_option(command: F) -> F:
    """`--clear`: empty a list."""
    option = click.option("--clear", multiple=True, type=click.Choice(LISTS), help="Empty this list; repeatable.")
    return option(command)


def details(options: dict[str, Any]) -> dict[str, Any]:
    """What the options of `name_options` and `clear_option` say; a field that none of them names is left out."""
    given = {name: options[name] for name in LISTS if options[name]}
    cleared: dict[str, Any] = dict.fromkeys(options.get("clear", ()), ())
    if both := sorted(given.keys() & cleared.keys()):
        raise Invalid("clear", f"{', '.join(both)}: give new entries or --clear, not both")
    case = options["case_sensitive"]
    return given | cleared | ({} if case is None else {"case_sensitive": case})


def entity(name: str, /, **fields: Any) -> Entity:
    """A brand or competitor; raises BadInput."""
    try:
        return Entity(**({"name": name} | fields))
    except ValueError as exc:
        raise Invalid("name", f"{name!r}: {exc}") from exc
