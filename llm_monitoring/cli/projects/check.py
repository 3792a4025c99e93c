"""`projects check`: names that may be counted wrongly."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import click

from llm_monitoring.cli.base.command import PROJECT, example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.health.definitions import definition_problems
from llm_monitoring.process.wording import PROGRAM, counted
from llm_monitoring.projects import Project, fingerprints, name_check
from llm_monitoring.projects.name_check import Check, Hit, Warned


@click.command(epilog=example("projects check 1", "projects check 1 --json"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def check(session: Session, project: int, *, as_json: bool) -> None:
    """Look for names in PROJECT that may be counted wrongly.

    Short names, everyday words, names that others share or contain: each with the places where the latest answers have
    it, and what would help. Changes nothing.
    """
    with session.app() as app:
        found = name_check.check(app.db, project)
        stale = fingerprints.stale_answers(app.db, found.project)
        wrong = definition_problems(app.db, found.project)
    if as_json:
        show_json({**check_fields(found), "stale_answers": stale, "problems": wrong})
        return
    tell(found)
    for problem in wrong:
        say(f"Not taken any more, and measured as it is: {problem}")
    for line in without_sites(found.project):
        say(line)
    if stale:
        again = f"{PROGRAM} reanalyse --project {project}"
        say(f"{counted(stale, 'answer was', 'answers were')} read with former names or rules. → {again}")


def without_sites(project: Project) -> list[str]:
    """The brand and competitors without a declared site, each with the command that declares it."""
    found = []
    if not project.brand.domains:
        found.append(
            f"{project.brand.name}: no site is declared, so there is no citation rate. "
            f"→ {PROGRAM} projects edit {project.id} --domain HOST"
        )
    rivals = [rival.name for rival in project.competitors if not rival.domains]
    if rivals:
        found.append(
            f"{', '.join(rivals)}: no site is declared, so citations of theirs are not counted. "
            f"→ {PROGRAM} competitors edit {project.id} NAME --domain HOST"
        )
    return found


def tell(found: Check) -> None:
    project = found.project
    looked = (
        f"looked at in the latest {counted(found.answers, 'answer')}" if found.answers else "no answer is stored yet"
    )
    if not found.warnings:
        say(f"Project {project.id}, {project.name}: no name is likely to mislead ({looked}).")
        return
    say(f"Project {project.id}, {project.name}: names that may mislead ({looked}):")
    for warned in found.warnings:
        tell_one(warned, edit_command(project, warned.entity))
    hits = [hit for warned in found.warnings for hit in (*warned.use.other_case, *warned.use.examples)]
    if hits:
        say("")
        say(f"Read an answer: `answers show {hits[0].result_id}`.")


def edit_command(project: Project, entity: str) -> str:
    """The command that changes the names of the brand, or of a competitor."""
    if entity == project.brand.name:
        return f"{PROGRAM} projects edit {project.id}"
    return f"{PROGRAM} competitors edit {project.id} {shlex.quote(entity)}"


def tell_one(warned: Warned, command: str) -> None:
    name = f"“{warned.term}”" if warned.term == warned.entity else f"“{warned.term}” ({warned.entity})"
    say("")
    say(f"{name}: {'; '.join(warned.reasons) or 'answers use it in longer names'}")
    use = warned.use
    if use.hits:
        say(f"    hits: {use.hits}, {use.as_given} of them in the case given")
    for hit in use.other_case or use.examples:
        say(f"    {place(hit)}")
    for proposal in warned.proposals:
        say(f"    → {proposal}")
    if warned.proposals:
        say(f"    with `{command}`: --case-sensitive, --exclude PHRASE, --alias NAME")


def place(hit: Hit) -> str:
    return f"answer {hit.result_id}, {hit.provider}, {hit.day}: …{hit.text}…"


def check_fields(found: Check) -> dict[str, Any]:
    return {
        "project_id": found.project.id,
        "answers": found.answers,
        "without_site": [each.name for each in (found.project.brand, *found.project.competitors) if not each.domains],
        "warnings": [
            {
                "entity": warned.entity,
                "term": warned.term,
                "case_sensitive": warned.case_sensitive,
                "reasons": [asdict(doubt) for doubt in warned.doubts],
                "hits": warned.use.hits,
                "hits_in_the_case_given": warned.use.as_given,
                "examples": [asdict(hit) for hit in (*warned.use.other_case, *warned.use.examples)],
                "proposals": warned.proposals,
            }
            for warned in found.warnings
        ],
    }
