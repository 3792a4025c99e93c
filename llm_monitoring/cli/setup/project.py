"""The steps of `setup` that make a project and its prompts."""

from __future__ import annotations

from typing import Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.app import App
from llm_monitoring.cli.base.output import print_table, say
from llm_monitoring.cli.base.questions import ask, ask_list, choose, heading, retried
from llm_monitoring.cli.projects.search_warning import say_obstacles
from llm_monitoring.db import Row
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import BadInput, Invalid
from llm_monitoring.projects import country_problem, language_problem, make_entity, site_problem
from llm_monitoring.projects import prompt_ideas as proposals

PROPOSED: Final = 15
MOST_PROPOSED: Final = 60


def find_project(app: App, user: Row) -> int:
    """A project of the user, or a new one."""
    heading("Project", "One brand, who it competes with, and who is asked about it.")
    listed = [row for row in projects.overview(app.db) if row["user_id"] == user["id"]]
    if listed:
        options = [f"{row['name']} (project {row['id']}, {row['active_queries']} prompts)" for row in listed]
        chosen = choose("Which project?", [*options, "a new project"])
        if chosen < len(listed):
            return int(listed[chosen]["id"])
    return retried(lambda: add_project(app, user))


def add_project(app: App, user: Row) -> int:
    brand = retried(brand_name)
    new = projects.NewProject(
        user_id=user["id"],
        name=ask("Name of the project", brand),
        brand=make_entity(brand, aliases=ask_list("Its other names"), domains=retried(sites)),
        industry=ask("What it does, such as “software de facturación”"),
        language=retried(language),
        country=retried(country),
        competitors=[make_entity(name) for name in ask_list("Competitors")],
        providers=providers(app, user),
        web_search=click.confirm("Let the assistants search the web? That costs 5 to 13 times as much", default=False),
    )
    project_id = edits.add_project(app.db, edits.COMMAND, new)
    say(f"Project {project_id} added. Aliases and sites of competitors: `competitors edit {project_id} NAME --help`.")
    say_obstacles(app, project_id)
    return project_id


def brand_name() -> str:
    name = ask("The brand's name, as answers write it")
    if make_entity(name).single_letters:
        raise Invalid(
            "brand", f"{name!r} is one letter, which any text holds: `projects add` takes it with --case-sensitive"
        )
    return name


def sites() -> tuple[str, ...]:
    found = ask_list("Its sites, such as acme.com")
    for site in found:
        if problem := site_problem(site):
            raise Invalid("domains", f"{site!r}: {problem}")
    return found


def language() -> str:
    code = ask("Language of prompts and report (ISO 639)", "es")
    if problem := language_problem(code):
        raise problem.invalid("language")
    return code


def country() -> str | None:
    code = ask("Country that is asked from (ISO 3166, such as ES; empty: none)", "")
    if code and (problem := country_problem(code)):
        raise problem.invalid("country")
    return code or None


def providers(app: App, user: Row) -> tuple[ProviderName, ...]:
    """The providers with a usable key; all if there is no key yet."""
    states = app.keys.available([user["id"]])[user["id"]]
    usable = tuple(name for name in PROVIDERS if name in states and states[name].usable)
    if usable and len(usable) < len(PROVIDERS):
        say(f"It will ask {', '.join(usable)}, which there are keys for; change it with `projects edit --provider`.")
    return usable or PROVIDERS


def prompts(app: App, project_id: int) -> None:
    """Add prompts to a project: proposed ones, typed ones, or both."""
    heading("Prompts", "What is asked every day, once a provider. They go out as they are; the brand is never added.")
    known = sum(row["is_active"] for row in projects.list_prompts(app.db, project_id))
    if known and not click.confirm(f"There are {known} already. Add more?", default=False):
        return
    offer(app, project_id)
    typed(app, project_id)
    if not any(row["is_active"] for row in projects.list_prompts(app.db, project_id)):
        say(f"Without prompts nothing is asked: `queries add {project_id} TEXT` or `queries import {project_id} FILE`.")


def offer(app: App, project_id: int) -> None:
    """Propose prompts made of brand, industry and competitors until some are taken or none are wanted."""
    seed = 0
    count = click.prompt(
        "How many shall be proposed (0: none)", type=click.IntRange(0, MOST_PROPOSED), default=PROPOSED
    )
    while count:
        try:
            found = proposals.propose(app.db, project_id, count, seed)
        except BadInput as exc:
            say(f"None can be proposed: {exc}")
            return
        if not found.queries:
            say("There is no sentence left that the project does not have.")
            return
        print_table([{"text": each.text} for each in found.queries], {"Prompt": "text"})
        chosen = choose("These?", ["yes, store them", "propose others", "none"])
        if chosen == 0:
            added, _ = edits.add_prompts(app.db, edits.COMMAND, project_id, found.queries)
            say(f"{added} prompts stored.")
        if chosen != 1:
            return
        seed += 1


def typed(app: App, project_id: int) -> None:
    """Add typed prompts, a line each."""
    while text := ask("A prompt of your own (empty: no more)", ""):
        try:
            added, _ = edits.add_prompts(app.db, edits.COMMAND, project_id, [projects.NewPrompt(text)])
        except BadInput as exc:
            say(f"Not stored: {exc}")
        else:
            say("Stored." if added else "The project has it already.")
