"""`reanalyse`: read stored answers again after names or rules changed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any, Final

import click

from llm_monitoring.answers import reanalysis
from llm_monitoring.answers.changes import Changes, Example, FieldChange, NameChange
from llm_monitoring.cli.base.command import Failed, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json
from llm_monitoring.cli.base.periods import DAY, check_order, chosen_project, project_options
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import RowError, RowErrors
from llm_monitoring.errors import Invalid
from llm_monitoring.process.progress import bar
from llm_monitoring.process.signals import stoppable
from llm_monitoring.process.wording import PROGRAM

SHOWN_ERRORS: Final = 5
FIELDS: Final[Columns] = {
    "Field": "field",
    "Answers": "answers",
    "Before": "before",
    "After": "after",
    "For example": "example",
}


@click.command(epilog=example("reanalyse 1 --preview", "reanalyse 1 --from 2026-11-01 --yes"))
@project_options
@click.option("--preview", is_flag=True, help="Show what would change and stop there.")
@click.option("--from", "first", type=DAY, help="First day; the earliest by default.")
@click.option("--to", "last", type=DAY, help="Last day; the latest by default.")
@click.option("--yes", is_flag=True, help="Do it without showing what would change and without asking.")
@json_option
@pass_session
def reanalyse(
    session: Session, /, number: int | None, project: int | None, first: date | None, last: date | None, **flags: bool
) -> None:
    """Read the stored answers of PROJECT with its present names and rules, and compute its figures again.

    Answers that were read with the same names and rules already are left alone. Nothing is asked and nothing is paid.
    Without --yes it first shows what would change. It can be stopped at any moment, with Ctrl-C or otherwise: started
    again it goes on where it was.

    A sentiment stays where an answer mentions the brand as before, and goes where it does not any more; mentions that
    are new are judged by a daily run of their day (--date). Answers without a stored text stay as they are.
    """
    preview, yes, as_json = flags["preview"], flags["yes"], flags["as_json"]
    check_order(first, last)
    if as_json and not (preview or yes):
        raise Invalid("json", "--json cannot ask: add --preview or --yes")
    with session.app() as app:
        work, errors = reanalysis.plan(app.db, chosen_project(app.db, number, project), first, last), RowErrors()
        if preview or not yes:
            with stoppable() as stop, bar("Looking", work.stale) as advance:
                found = reanalysis.preview(app.db, work, reanalysis.ReanalysisControl(stop, advance, errors))
            tell(work, found, errors, as_json=as_json, written=False)
            if preview or not work.days or not click.confirm("Write this?"):
                return
        with stoppable() as stop, bar("Reading", work.stale) as advance:
            watch = reanalysis.ReanalysisControl(stop, advance, errors)
            done = reanalysis.run(app.db, work, watch, sentiment=app.settings.sentiment)
        tell(work, done, errors, as_json=as_json, written=True)


def tell(
    work: reanalysis.ReanalysisPlan,
    outcome: reanalysis.ReanalysisResult,
    errors: RowErrors,
    *,
    as_json: bool,
    written: bool,
) -> None:
    """Print the changes; raises Failed if it was stopped, or if an answer could not be read."""
    if as_json:
        show_json(fields_of(work, outcome, written=written) | {"errors": [error_row(each) for each in errors.found]})
    else:
        say(heading(work, outcome, written=written))
        print_changes(outcome.changes)
    if not outcome.finished:
        again = f"{PROGRAM} reanalyse --project {work.project.id}"
        raise Failed(f"stopped after {outcome.changes.answers} of {work.stale} answers: `{again}` goes on from there")
    if errors.found:
        first = "; ".join(sentence(each) for each in errors.found[:SHOWN_ERRORS])
        more = f" and {len(errors.found) - SHOWN_ERRORS} more" if len(errors.found) > SHOWN_ERRORS else ""
        raise Failed(f"left as they were: {first}{more}; every other answer was read")


def error_row(error: RowError) -> dict[str, Any]:
    return {"stage": error.stage, "code": error.code, "message": error.message, **dict(error.fields)}


def sentence(error: RowError) -> str:
    fields = dict(error.fields)
    what = f"answer {fields['result_id']}" if "result_id" in fields else f"the figures of {fields.get('day', 'a day')}"
    look = f"; see `answers show {fields['result_id']}`" if "result_id" in fields else ""
    return f"{what} ({error.code}: {error.message}{look})"


def heading(work: reanalysis.ReanalysisPlan, outcome: reanalysis.ReanalysisResult, *, written: bool) -> str:
    project, changes = work.project, outcome.changes
    name = f"Project {project.id}, {project.name}"
    if not work.days:
        return f"{name}: every answer was read with the present names and rules; there is nothing to do."
    days = f"{len(work.days)} days, {work.days[0].day} to {work.days[-1].day}"
    if written:
        return (
            f"{name}: {changes.answers} answers read again, {changes.changed} changed; figures computed again of "
            f"{outcome.days} of {days}."
        )
    return (
        f"{name}: {work.stale} answers were read with other names or rules ({days}). Of {changes.answers} looked "
        f"at {changes.changed} would change; nothing is written."
    )


def print_changes(changes: Changes) -> None:
    rows = [field_row(name, change) for name, change in changes.fields.items() if change.answers]
    if rows:
        print_table(rows, FIELDS)
    for name, change in changes.names.items():
        if change.difference or change.by_size():
            print_name(name, change)
    for line in remarks(changes):
        say(line)
    example = next((each for change in changes.fields.values() for each in change.examples), None)
    if example is not None:
        say("")
        say(f"Read an answer: `answers show {example.result_id}`.")


def field_row(name: str, change: FieldChange) -> dict[str, Any]:
    first = change.examples[0]
    shown = f"{short(first.before)} → {short(first.after)} (answer {first.result_id})"
    return {"field": name, "answers": change.answers, "before": change.before, "after": change.after, "example": shown}


def short(value: object) -> str:
    """The value of an example in a few words."""
    if isinstance(value, dict):
        text = ", ".join(f"{name} {count}" for name, count in value.items())
    else:
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    text = "–" if value is None or not text else text
    return text if len(text) <= 40 else f"{text[:39]}…"


def print_name(name: str, change: NameChange) -> None:
    """“+37 mentions, 31 of them …”, with examples under each spelling."""
    parts = [f"{each.difference:+d} “{each.spelling}”" for each in change.by_size()]
    if change.unexplained:
        parts.append(f"{change.unexplained:+d} by changed rules, or by former names that were not stored")
    say("")
    say(f"{name}: {change.difference:+d} mentions ({change.before} → {change.after}): {'; '.join(parts)}")
    for each in change.by_size():
        print_examples(each.examples)
    print_examples(change.examples)


def print_examples(examples: list[Example]) -> None:
    for each in examples:
        if each.text:
            say(f"    answer {each.result_id}, {each.provider}, {each.day}: {each.text}")


def remarks(changes: Changes) -> list[str]:
    """The changes of sentiments, and the answers that could not be read."""
    found = []
    if changes.verdicts_dropped:
        found.append(
            f"Sentiment: {changes.verdicts_kept} verdicts stay, {changes.verdicts_dropped} go with the "
            f"mention that they were about."
        )
    if changes.to_judge:
        found.append(
            f"Sentiment: {changes.to_judge} answers mention the brand now and have no verdict; "
            f"a daily run of their day (--date) asks for one."
        )
    if changes.without_text:
        found.append(f"{changes.without_text} answers have no text any more, or never had, and stay as they were read.")
    return [""] * bool(found) + found


def fields_of(
    work: reanalysis.ReanalysisPlan, outcome: reanalysis.ReanalysisResult, *, written: bool
) -> dict[str, Any]:
    changes = outcome.changes
    return {
        "project_id": work.project.id,
        "written": written,
        "finished": outcome.finished,
        "days": len(work.days),
        "stale_answers": work.stale,
        "answers": changes.answers,
        "changed": changes.changed,
        "without_text": changes.without_text,
        "verdicts_kept": changes.verdicts_kept,
        "verdicts_dropped": changes.verdicts_dropped,
        "to_judge": changes.to_judge,
        "fields": {name: asdict(change) for name, change in changes.fields.items() if change.answers},
        "mentions": {
            name: {
                **asdict(change),
                "difference": change.difference,
                "spellings": [asdict(each) for each in change.by_size()],
            }
            for name, change in changes.names.items()
            if change.difference or change.by_size()
        },
    }
