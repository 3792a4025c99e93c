"""`projects edit|remove`: change or delete a project."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import PROJECT, PROVIDER, example
from llm_monitoring.cli.base.output import say, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.projects.name_options import (
    NO_NEW_NAME,
    REREAD,
    clear_option,
    details,
    name_options,
    old_name_option,
    say_lists,
)
from llm_monitoring.cli.projects.pace import pace_option
from llm_monitoring.cli.projects.search_warning import say_obstacles
from llm_monitoring.db import Row
from llm_monitoring.errors import Invalid
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects import Project

PLAIN: Final = ("name", "industry", "language", "web_search", "samples_per_query", "pace")
NOWHERE: Final = "none"


@click.command(
    epilog=example(
        "projects edit 1 --alias getquipu --domain getquipu.com",
        "projects edit 1 --web-search --samples 2",
        "projects edit 3 --user ana@agency.example",
    )
)
@click.argument("project", type=PROJECT)
@click.option("--user", help="The user who pays for it from now on.")
@click.option("--name", help="The project's name.")
@click.option("--brand", metavar="NAME", help="The brand's name, as answers write it; the old one stays as an alias.")
@old_name_option
@click.option("--industry", help="What the brand does, for the report.")
@name_options("brand")
@clear_option
@click.option("--language", help="Language of prompts and report, ISO 639.")
@click.option("--country", help=f"Country that prompts are asked from, ISO 3166, such as ES; {NOWHERE}: no country.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    type=PROVIDER,
    metavar="NAME",
    help="Provider to ask, instead of those before; repeatable.",
)
@click.option("--web-search/--no-web-search", default=None, help="Let the assistants search: 5 to 13 times the cost.")
@click.option(
    "--samples", "samples_per_query", type=click.IntRange(1, 20), help="How often each prompt is asked a day."
)
@pace_option(default=None)
@pass_session
def edit(session: Session, /, project: int, user: str | None, **options: Any) -> None:
    """Change PROJECT from the next run on.

    What is given replaces what is stored: to add an alias, give all of them. Competitors have commands of their own.
    """
    brand, new_name, drop = details(options), options["brand"], options["drop_old_name"]
    fields = changed_fields(options)
    if not brand and not fields and user is None and not new_name and not drop:
        raise Invalid("options", f"say what to change: see `{PROGRAM} projects edit --help`")
    if drop and not new_name:
        raise Invalid("drop_old_name", NO_NEW_NAME)
    with session.app() as app:
        if user is not None:
            fields["user_id"] = projects.find_user(app.db, user)["id"]

        def change(before: Project) -> Project:
            fresh = projects.edited_entity(before.brand, brand, new_name or None, keep_old_name=not drop)
            return replace(before, **fields, brand=fresh)

        after = edits.change_project(app.db, edits.COMMAND, project, change)
        say(f"Project {project} ({after.name}) changed." + (f" {REREAD.format(project)}" if brand or new_name else ""))
        if {"web_search", "providers"} & fields.keys():
            say_obstacles(app, project)
    say_lists((new_name or "", *brand.get("aliases", ())))


def changed_fields(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a project that the options name."""
    fields = {name: options[name] for name in PLAIN if options[name] is not None}
    fields |= {name: fields[name].strip() for name in ("name", "industry") if name in fields}
    if options["country"] is not None:
        country = options["country"].strip()
        fields["country"] = None if country.lower() == NOWHERE else country.upper()
    if options["providers"]:
        fields["providers"] = tuple(dict.fromkeys(options["providers"]))
    return fields


@click.command(epilog=example("projects remove 3", "projects remove 3 --yes"))
@click.argument("project", type=PROJECT)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def remove(session: Session, project: int, *, yes: bool) -> None:
    """Delete PROJECT with its prompts, answers and figures.

    What its calls have cost stays in the ledger and in its user's month. To stop asking only, pause it.
    """
    with session.app() as app:
        found = projects.find(app.db, project)
        say(loss(found, projects.holdings(app.db, project)))
        if not yes and not click.confirm("Delete it for good?"):
            say(f"Nothing was deleted. To stop asking only: `{PROGRAM} projects pause {project}`.")
            return
        edits.remove_project(app.db, edits.COMMAND, project)
    say(f"Project {project} ({found.name}) is deleted.")


def loss(project: Project, holdings: Row) -> str:
    return (
        f"Project {project.id} ({project.name}) goes with {holdings['prompts']} prompts, {holdings['answers']} answers "
        f"and the figures of {holdings['days']} days. The ledger keeps its {holdings['calls']} calls and their "
        f"{usd(holdings['charged_usd'])} USD."
    )
