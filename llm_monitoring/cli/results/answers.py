"""`answers`: list stored answers, and show one with its names marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from llm_monitoring.analysis import SENTIMENTS
from llm_monitoring.cli.base.command import PROVIDER, LateGroup, Number, example, json_option
from llm_monitoring.cli.base.output import Columns, print_line, say, show_fields, show_json, show_rows
from llm_monitoring.cli.base.periods import DAY, check_order, chosen_project, project_options
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.errors import Invalid
from llm_monitoring.figures import MEASURED_FIGURES

if TYPE_CHECKING:
    from llm_monitoring.db import Row
    from llm_monitoring.reporting.answers import Mark, Piece
    from llm_monitoring.reporting.stored_answers import StoredAnswer

ANSWER: Final = Number("answer", "answers list")
QUERY: Final = Number("prompt", "queries list PROJECT")
LONGEST_PROMPT: Final = 60
MARKS: Final[Mapping[Mark, tuple[str, str, str]]] = {
    "": ("", "", ""),
    "brand": ("«", "»", "bold green"),
    "rival": ("‹", "›", "bold yellow"),
}


@click.group(cls=LateGroup, epilog=example("answers list 1 --provider google --not-mentioned", "answers show 103"))
def answers() -> None:
    """List stored answers, and show one."""


@answers.command(
    "list",
    epilog=example(
        "answers list 1 --day 2026-11-28",
        "answers list 1 --from 2026-11-01 --provider google --not-mentioned --limit 100",
        'answers list 1 --competitor "Holded" --prompt 7 --json',
    ),
)
@project_options
@click.option("--day", type=DAY, help="Only this day.")
@click.option("--from", "first", type=DAY, help="First day; the earliest by default.")
@click.option("--to", "last", type=DAY, help="Last day; the latest by default.")
@click.option("--provider", "providers", multiple=True, type=PROVIDER, metavar="NAME", help="Only this; repeatable.")
@click.option("--model", metavar="ID", help="Only answers that this model was asked for, or that it gave.")
@click.option("--mentioned/--not-mentioned", default=None, help="Only answers that name the brand, or that do not.")
@click.option("--competitor", metavar="NAME", help="Only answers that name this competitor.")
@click.option("--prompt", "query_id", type=QUERY, help="Only answers to the prompt of this number.")
@click.option("--tag", help="Only answers to prompts with this tag.")
@click.option("--cited/--not-cited", default=None, help="Only answers that cite a page of the brand, or that do not.")
@click.option("--sentiment", type=click.Choice(SENTIMENTS), help="Only answers that speak of the brand like this.")
@click.option(
    "--counted-in",
    "figure",
    type=click.Choice(MEASURED_FIGURES),
    help="Only the answers that this figure rests on, of the brand or of --competitor.",
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many, latest first.")
@json_option
@pass_session
def list_answers(
    session: Session, /, *, number: int | None, project: int | None, limit: int, as_json: bool, **options: Any
) -> None:
    """List a project's answers, latest first, as its present names read them."""
    from llm_monitoring.reporting import stored_answers

    first, last = days_of(options)
    with session.app() as app:
        chosen = chosen_project(app.db, number, project)
        wanted = stored_answers.search(app.db, chosen, first=first, last=last, **options)
        rows = list(islice(stored_answers.find_all(app.db, wanted), limit + 1))
    columns: Columns = {
        "Answer": "id",
        "Day": "analysis_date",
        "Provider": "llm_provider",
        "Model": model_shown,
        "Prompt": prompt_shown,
        "Brand": brand_shown,
        "Position": position_shown,
        "Competitors": lambda row: list(row["competitors_mentioned"] or ()),
    }
    show_rows(rows[:limit], columns, as_json=as_json, empty="No stored answer fits.")
    if rows and not as_json:
        more = f"There are more: `--limit {10 * limit}`. " if len(rows) > limit else ""
        say(f"{more}Read one: `answers show {rows[0]['id']}`.")


def days_of(options: dict[str, Any]) -> tuple[Any, Any]:
    """The period of the options; raises Invalid if they contradict each other."""
    day, first, last = (options.pop(name) for name in ("day", "first", "last"))
    if day is not None and (first is not None or last is not None):
        raise Invalid("period", "--day is one day: leave out --from and --to")
    check_order(first, last)
    return (day, day) if day is not None else (first, last)


def model_shown(row: Row) -> str:
    return str(row["model_used"] or row["model_id"] or "")


def prompt_shown(row: Row) -> str:
    text = " ".join(row["query_text"].split())
    return f"{row['query_id']} {text if len(text) <= LONGEST_PROMPT else text[: LONGEST_PROMPT - 1] + '…'}"


def brand_shown(row: Row) -> str:
    if row["unread_reason"]:
        return "not read yet"
    return {True: "yes", False: "no"}.get(row["brand_mentioned"], "unknown")


def position_shown(row: Row) -> str | None:
    position, total = row["position_in_list"], row["total_items_in_list"]
    return None if position is None else f"{position} of {total}" if total else str(position)


@answers.command(epilog=example("answers show 103", "answers show 103 --json"))
@click.argument("answer", type=ANSWER)
@json_option
@pass_session
def show(session: Session, answer: int, *, as_json: bool) -> None:
    """Show ANSWER: its prompt, the text as people see it with «the brand» and ‹competitors› marked, its sources."""
    from llm_monitoring.reporting import exports, stored_answers

    with session.app() as app:
        found = stored_answers.find(app.db, answer)
    cited = list(exports.Owners(found.project).citations(found.row | {"sources": found.row["sources"] or []}))
    if as_json:
        show_json(found.row | {"project_name": found.project.name, "sources": cited})
        return
    show_fields(found.row, titles_of(found))
    say("")
    print_text(found)
    for source in cited:
        say(f"[{source['place']}] {source_line(source)}")


def titles_of(found: StoredAnswer) -> Columns:
    return {
        "Answer": "id",
        "Project": lambda row: f"{row['project_id']} {found.project.name}",
        "Day": "analysis_date",
        "Stored (UTC)": "created_at",
        "Prompt": lambda row: f"{row['query_id']} {row['query_text']}",
        "Sample": "sample",
        "Provider": "llm_provider",
        "Model asked": "model_id",
        "Model served": "model_used",
        "Mode": "mode",
        "Brand": brand_line,
        "Position": position_shown,
        "Competitors": competitor_line,
        "Sentiment": sentiment_line,
        "Tokens in / out": lambda row: f"{row['input_tokens']} / {row['output_tokens']}",
        "Ended": "finish_reason",
        "Cost USD": "cost_usd",
    }


def sentiment_line(row: Row) -> str:
    """The sentiment and its score, or its state."""
    given = [str(row[name]) for name in ("sentiment", "sentiment_score") if row[name] is not None]
    return " ".join(given) or str(row["sentiment_status"] or "")


def brand_line(row: Row) -> str:
    """Whether the brand is named and its site cited."""
    count = row["mention_count"] or 0
    named = f"{count} mention{'' if count == 1 else 's'}" if row["brand_mentioned"] else brand_shown(row)
    reason = f" ({row['unread_reason']})" if row["unread_reason"] else ""
    return f"{named}{reason}{', its site is cited' if row['brand_cited'] else ''}"


def competitor_line(row: Row) -> list[str]:
    places = row["competitor_positions"] or {}
    counts = row["competitors_mentioned"] or {}
    return [
        f"{name} {count}" + (f" (position {places[name]})" if name in places else "") for name, count in counts.items()
    ]


def print_text(found: StoredAnswer) -> None:
    if not found.text:
        say(
            "The text is no longer stored." if found.row["full_response"] is None else "The answer has no visible text."
        )
    for line in found.text:
        print_line(styled(line))
    say("")


def styled(line: tuple[Piece, ...]) -> Iterator[tuple[str, str]]:
    for piece in line:
        before, after, style = MARKS[piece.mark]
        yield f"{before}{piece.text}{after}", style


def source_line(source: Mapping[str, Any]) -> str:
    owner = source["owner_name"] or ""
    notes = [owner, "found by the search, not cited" if source["cited"] is False else ""]
    notes_text = ", ".join(filter(None, notes))
    title = f" {source['title']}" if source["title"] else ""
    return f"{source['url']}{title}{f' ({notes_text})' if notes_text else ''}"
