"""`collect`: takes the answers of batches that are out, between two daily runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING

import click

from llm_monitoring.cli.base.command import Failed, example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.process.progress import bar
from llm_monitoring.process.signals import stoppable
from llm_monitoring.process.wording import counted

if TYPE_CHECKING:
    from llm_monitoring.app import App
    from llm_monitoring.runs.batches.collection import Collected
    from llm_monitoring.runs.batches.records import Due


@click.command(epilog=example("collect", "collect --json"))
@json_option
@pass_session
def collect(session: Session, *, as_json: bool) -> None:
    """Collect the answers of batches that are out, as each daily run does first.

    For a cron of its own, every hour, or by hand: projects of the pace patient get late answers by it. It asks nothing,
    and stores what has come under the day that asked it; the next daily run scores its sentiment. While a daily run is
    at work the batches are left to that run.

    Exit codes: 0 done, also if answers are still out or a run is at work; 1 if a batch cannot be looked at.
    """
    from llm_monitoring.runs.batches.records import due, still_out
    from llm_monitoring.runs.records import AlreadyRunning

    with session.app() as app:
        try:
            collected = collect_with_bar(app)
        except AlreadyRunning as exc:
            say(f"{exc}: it collects the batches itself.")
            return
        out = due(still_out(app.db))
    if as_json:
        show_json(fields_of(collected, out))
    else:
        show(collected, out)
    if collected.troubles:
        raise Failed("; ".join(trouble_lines(collected)))


def collect_with_bar(app: App) -> Collected:
    """Collect every batch, with a progress bar."""
    from llm_monitoring.runs.batches.records import uncollected
    from llm_monitoring.runs.daily import collect_batches

    with stoppable() as stop, bar("Batches", len(uncollected(app.db))) as advance:
        return collect_batches(app, stop, lambda batch: advance(1))


def show(collected: Collected, out: Due | None) -> None:
    if collected.calls:
        say(f"{counted(collected.answers, 'answer')} collected, {counted(collected.batches, 'batch', 'batches')} done.")
    else:
        say("Nothing has come." if out else "No batch is out.")
    if collected.not_billed:
        say(f"{counted(collected.not_billed, 'call was', 'calls were')} not made and not charged.")
    if collected.failed:
        say(f"{counted(collected.failed, 'reply holds', 'replies hold')} no answer.")
    if collected.unknown:
        say(f"{counted(collected.unknown, 'call')} may have been billed: charged at the ceiling.")
    if out is not None:
        until = f"{out.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        say(f"{counted(out.answers, 'answer')} still out, due by {until}.")


def trouble_lines(collected: Collected) -> list[str]:
    """A line for each batch that cannot be looked at."""
    from llm_monitoring.runs.batches.texts import trouble_text

    return [
        f"batch {batch.id} of {batch.group.key.provider} is not collected: {trouble_text(trouble, 'en')}"
        for batch, trouble in collected.troubles
    ]


def fields_of(collected: Collected, out: Due | None) -> dict[str, object]:
    return {
        "batches": collected.batches,
        "answers": collected.answers,
        "without_answer": collected.failed,
        "not_billed": collected.not_billed,
        "unknown": collected.unknown,
        "answers_out": 0 if out is None else out.answers,
        "out_until": None if out is None else out.due_at.astimezone(UTC),
        "troubles": [
            {"batch_id": batch.id, "provider": batch.group.key.provider, **asdict(trouble)}
            for batch, trouble in collected.troubles
        ],
    }
