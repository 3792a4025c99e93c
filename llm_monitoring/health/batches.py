"""Checks of batches: what is out, what should have come, and what is not asked in batches for now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from llm_monitoring.db import Database
from llm_monitoring.domain import KeyId
from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.process.wording import PROGRAM, counted
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.groups import MOST_FAILURES
from llm_monitoring.runs.batches.texts import trouble_text


def batches(db: Database) -> Iterator[CheckResult]:
    """What is out, and one result for each batch, trial and key in trouble."""
    out = records.due(records.still_out(db))
    if out is not None:
        yield green("batches", f"{counted(out.answers, 'answer')} still out, due by {shown(out.due_at)}")
    for each in records.overdue(db):
        why = trouble_text(each.trouble, "en")
        text = f"a batch of {each.provider} from {shown(each.posted_at)} is not collected: {why}"
        yield yellow("batches", text, f"`{PROGRAM} collect`; after 49 hours its calls are charged their ceilings")
    for group in records.failed_trials(db):
        searching = " with web search" if group.web_search else ""
        text = f"{group.key.provider}/{group.model_id}{searching}: a trial in a batch brought no answer"
        yield yellow("batches", text, "nothing: it is asked at the standard price today, and tried again tomorrow")
    for key, failures in records.failing_keys(db, MOST_FAILURES).items():
        text = f"{failures} batches of {name(key)} expired or failed in a week: its calls are made at once"
        yield yellow("batches", text, f"nothing, or take {key.provider}:batch out of LLM_ECONOMY")


def shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def name(key: KeyId) -> str:
    owner = "the operator" if key.user_id is None else f"user {key.user_id}"
    return f"the {key.provider} key of {owner}"
