"""`projects`: add, list, show, pause and resume projects."""

from __future__ import annotations

from typing import IO, Any, Final

import click

from llm_monitoring import edits
from llm_monitoring import projects as table
from llm_monitoring.cli.base.command import PROJECT, PROVIDER, LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_fields, show_json, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.projects.pace import pace_option
from llm_monitoring.db import Row
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.projects import make_entity

LATE: Final = {
    "check": ("projects.check", "Look for names in PROJECT that may be counted wrongly."),
    "edit": ("projects.edit", "Change PROJECT from the next run on."),
    "remove": ("projects.edit", "Delete PROJECT with its prompts, answers and figures."),
    "viewers": (
        "projects.viewers",
        "Manage who sees a project in the web service besides its owner: figures and answers, and changes nothing.",
    ),
}


@click.group(cls=LateGroup, late=LATE, epilog=example("projects list", "projects show 1"))
def projects() -> None:
    """Manage projects."""


@projects.command(
    epilog=example(
        'projects add ana@agency.example "Quipu (ES)" --brand Quipu --industry "software de facturación"',
        "projects add 1 Acme --brand Acme --industry CRM --domain acme.com --competitor Holded --language en",
        "projects add 1 Acme --brand Acme --industry CRM --competitor-file rivals.csv",
    )
)
@click.argument("user")
@click.argument("name")
@click.option("--brand", required=True, help="The brand's name, as answers write it.")
@click.option("--industry", required=True, help="What the brand does, for the report.")
@click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Another name of the brand; repeatable.")
@click.option("--domain", "domains", multiple=True, metavar="HOST", help="A site of the brand; repeatable.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PHRASE",
    help="A phrase with the brand's name in it that means something else; repeatable.",
)
@click.option("--case-sensitive", is_flag=True, help="The brand's names count only in the case given.")
@click.option("--competitor", "rivals", multiple=True, metavar="NAME", help="A competitor; repeatable.")
@click.option(
    "--competitor-file",
    "files",
    multiple=True,
    type=click.File("rb"),
    metavar="FILE",
    help="Competitors with aliases and domains; repeatable.",
)
@click.option("--language", default="es", show_default=True, help="Language of prompts and report, ISO 639.")
@click.option("--country", help="Country that prompts are asked from, ISO 3166, such as ES.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    type=PROVIDER,
    metavar="NAME",
    help=f"Provider to ask: {', '.join(PROVIDERS)}; repeatable.  [default: all]",
)
@click.option("--web-search", is_flag=True, help="Let the assistants search the web: 5 to 13 times the cost.")
@click.option(
    "--samples",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="How often each prompt is asked a day; each is paid.",
)
@pace_option(default="punctual")
@pass_session
def add(session: Session, /, user: str, name: str, **options: Any) -> None:
    """Create the project NAME of USER.

    It is active from the next run on.

    A competitor file is CSV with the header name,aliases,domains,exclude,case_sensitive (only name is needed; several
    aliases, domains or phrases in a field are separated by |), or JSON: a list of names or of objects with those
    fields, as `projects show --json` prints them.
    """
    from llm_monitoring.cli.projects.name_options import say_lists
    from llm_monitoring.cli.projects.search_warning import say_obstacles

    new = {"name": name.strip(), **definition(options)}
    with session.app() as app:
        owner = table.find_user(app.db, user)
        project_id = edits.add_project(app.db, edits.COMMAND, table.NewProject(user_id=owner["id"], **new))
        say(
            f"Project {project_id} added for user {owner['id']} ({owner['email']}): {new['name']}. "
            f"Next: `queries add {project_id} TEXT` or `queries import {project_id} FILE`."
        )
        say_obstacles(app, project_id)
    say_lists(name for entity in (new["brand"], *new["competitors"]) for name in entity.spellings)


def definition(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a new project from the options of its command; raises Invalid."""
    from llm_monitoring.cli.projects.competitor_files import read_competitors

    names = ("aliases", "domains", "exclude", "case_sensitive")
    rivals = [make_entity(name) for name in options["rivals"]]
    files: tuple[IO[bytes], ...] = options["files"]
    return {
        "brand": make_entity(options["brand"], **{name: options[name] for name in names}),
        "industry": options["industry"].strip(),
        "competitors": rivals + [rival for file in files for rival in read_competitors(file)],
        "language": options["language"],
        "country": options["country"].upper() if options["country"] else None,
        "providers": tuple(dict.fromkeys(options["providers"])) or PROVIDERS,
        "web_search": options["web_search"],
        "samples_per_query": options["samples"],
        "pace": options["pace"],
    }


@projects.command("list", epilog=example("projects list", "projects list --json"))
@json_option
@pass_session
def list_projects(session: Session, *, as_json: bool) -> None:
    """List every project with its owner and number of prompts."""
    with session.app() as app:
        rows = table.overview(app.db)
    columns: Columns = {
        "Project": "id",
        "Name": "name",
        "Brand": "brand_name",
        "User": "user_id",
        "Locale": locale,
        "Asks": lambda row: asked(row["enabled_llms"]),
        "Prompts": "active_queries",
        "State": lambda row: state(row["is_active"]),
        "Last run": "last_analysis_date",
    }
    show_rows(rows, columns, as_json=as_json, empty="There are no projects yet: `projects add --help`.")


def locale(row: Row) -> str:
    return f"{row['language']}-{row['country']}" if row["country"] else str(row["language"])


def asked(providers: list[str] | tuple[ProviderName, ...] | None) -> str:
    if providers is None or set(providers) >= set(PROVIDERS):
        return "all"
    return ", ".join(map(str, providers)) or "none"


def state(is_active: bool) -> str:
    return "active" if is_active else "paused"


@projects.command(epilog=example("projects show 1", "projects show 1 --json"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def show(session: Session, project: int, *, as_json: bool) -> None:
    """Show the settings of PROJECT and the names that it counts."""
    with session.app() as app:
        fields = edits.project_fields(table.find(app.db, project))
    if as_json:
        show_json(fields)
        return
    titles: Columns = {
        "Project": "id",
        "Name": "name",
        "User": "user_id",
        "Industry": "industry",
        "Locale": locale,
        "Asks": "providers",
        "Web search": "web_search",
        "Samples a prompt": "samples_per_query",
        "Pace": "pace",
        "State": lambda row: state(row["is_active"]),
    }
    show_fields(fields, titles)
    say("")
    roles = [{"role": "brand", **fields["brand"]}, *({"role": "rival", **each} for each in fields["competitors"])]
    print_table(
        roles,
        {
            "": "role",
            "Name": "name",
            "Also": "aliases",
            "Sites": "domains",
            "Not": "exclude",
            "Exact case": "case_sensitive",
        },
    )


@projects.command(epilog=example("projects pause 1"))
@click.argument("project", type=PROJECT)
@pass_session
def pause(session: Session, project: int) -> None:
    """Stop asking the prompts of PROJECT; its answers and figures stay."""
    switch(session, project, is_active=False)


@projects.command(epilog=example("projects resume 1"))
@click.argument("project", type=PROJECT)
@pass_session
def resume(session: Session, project: int) -> None:
    """Ask the prompts of PROJECT again from the next run on."""
    switch(session, project, is_active=True)


def switch(session: Session, project: int, *, is_active: bool) -> None:
    with session.app() as app:
        edits.set_active(app.db, edits.COMMAND, project, is_active)
    say(f"Project {project} is {state(is_active)}.")
