"""`queries generate`: prompts from templates."""

from __future__ import annotations

from typing import Any, Final

import click

from llm_monitoring import edits
from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json
from llm_monitoring.cli.base.periods import chosen_project, project_options
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.errors import NotReady
from llm_monitoring.process.wording import counted
from llm_monitoring.projects import prompt_ideas
from llm_monitoring.projects.prompt_ideas import ProposedPrompts

SHOWN: Final[Columns] = {"Prompt": "query", "Type": "type"}
KIND_NAMES: Final = {"general": "general", "with_brand": "with the brand", "with_competitor": "with a competitor"}


@click.command(epilog=example("queries generate 1 --count 20", "queries generate 1 --count 5 --yes"))
@project_options
@click.option("--count", type=click.IntRange(1, prompt_ideas.MOST), required=True, help="How many to propose.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number proposes other prompts.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@pass_session
def generate(session: Session, /, number: int | None, count: int, seed: int, *, yes: bool, **options: Any) -> None:
    """Propose prompts for PROJECT, and store them after you agree.

    They are made of its brand, industry, competitors and language: 60 % general, 20 % with the brand, 20 % with
    competitors. Prompts that it has already are not proposed. With --json and without --yes nothing is stored.
    """
    as_json: bool = options["as_json"]
    with session.app() as app:
        project = chosen_project(app.db, number, options["project"])
        found = prompt_ideas.propose(app.db, project, count, seed)
        if as_json:
            show_json([{"query": each.text, "type": each.query_type} for each in found.queries])
        else:
            show(found)
        if not found.queries:
            raise NotReady("project", project, f"there is no sentence left that project {project} does not have")
        if not yes and (as_json or not click.confirm("Store them?")):
            return
        added, _ = edits.add_prompts(app.db, edits.COMMAND, project, found.queries)
    if not as_json:
        say(f"Project {project}: {counted(added, 'prompt')} stored.")


def show(found: ProposedPrompts) -> None:
    """Print the proposals and their share of each kind."""
    if found.queries:
        print_table([{"query": each.text, "type": each.query_type} for each in found.queries], SHOWN)
    parts = ", ".join(f"{count} {KIND_NAMES[kind]}" for kind, count in found.wanted.items())
    say(f"{sum(found.wanted.values())} prompts asked for: {parts} (60 %, 20 % and 20 %, rounded to whole prompts).")
    if not found.project.competitors:
        say("The project has no competitors: their part went to general prompts.")
    if found.missing:
        say(f"{found.missing} are missing: there are no more different sentences.")
