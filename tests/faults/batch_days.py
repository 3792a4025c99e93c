"""Days in batches: runs that are killed at a step, restarts while hours pass, and the bill of each request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import pytest

from llm_monitoring import failpoints
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import ProviderName
from llm_monitoring.runs.batches import groups, submission
from tests.environment import AMPLE, Environment
from tests.faults.in_process import impatient, run_day

BOTH: Final[tuple[ProviderName, ...]] = ("openai", "anthropic")
PROMPTS: Final = 4
ECONOMY: Final = {"LLM_ECONOMY": "openai:batch,anthropic:batch", "LLM_ECONOMY_WAIT_MINUTES": "0.002"}
LONGEST_HOURS: Final = 60
OLDER: Final = """
UPDATE llm_batches SET opened_at = opened_at - make_interval(hours => %(hours)s),
                       posted_at = posted_at - make_interval(hours => %(hours)s),
                       absent_at = absent_at - make_interval(hours => %(hours)s)
"""
ATTEMPTS: Final = """
SELECT query_id, state || ' ' || mode AS way FROM llm_call_attempts
WHERE analysis_date = %(day)s AND kind = 'answer' ORDER BY query_id, reserved_at, id
"""


class Died(SystemExit):
    """Ends a run as the end of its process would: nothing after the point is done."""


@contextmanager
def killed_at(point: str, nth: int = 1) -> Iterator[None]:
    """Whatever reaches a point so often ends there."""
    left = nth

    def hook(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0:
            raise Died(point)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "hook", hook)
        yield


@contextmanager
def few_are_enough() -> Iterator[None]:
    """Batches of two calls are worth their wait, and retries wait hundredths of a second."""
    with pytest.MonkeyPatch.context() as patch, impatient():
        for module in (groups, submission):
            patch.setattr(module, "FEWEST_CALLS", 2)
        yield


def add_proven_project(environment: Environment, provider: ProviderName, day: date, prompts: int = PROMPTS) -> int:
    """A user with a project at one provider, of which a batch has brought an answer on `day`; returns the user."""
    user = environment.add_user(providers=[provider], budget=AMPLE)
    environment.add_numbered_project(user, prompts, [provider])
    complete(environment, day)
    return user


def pass_hours(environment: Environment, hours: int) -> None:
    environment.db.execute(OLDER, {"hours": hours})


def is_out(environment: Environment) -> bool:
    return environment.count("llm_batches WHERE state NOT IN ('collected', 'forgotten')") > 0


def complete(environment: Environment, day: date, **variables: str) -> int:
    """Start the day once an hour until no batch is out; return the number of starts."""
    for starts in range(1, LONGEST_HOURS):
        run_day(environment, day, **ECONOMY, **variables)
        if not is_out(environment):
            return starts
        pass_hours(environment, 1)
    raise AssertionError("a batch is never collected")


def ways(environment: Environment, day: date) -> Counter[str]:
    """How many tasks of a day went each way: the states and modes of their calls, in order."""
    by_task: dict[int, list[str]] = defaultdict(list)
    for row in environment.db.all(ATTEMPTS, {"day": day}):
        by_task[row["query_id"]].append(row["way"])
    return Counter(", ".join(each) for each in by_task.values())


def check(environment: Environment, *days: date, whole: bool = False) -> list[str]:
    """The broken invariants once the providers have run all that they have taken."""
    environment.server.batches.finish()
    return environment.check(*days, whole=whole) + list(unpaid_requests(environment))


@dataclass(frozen=True, slots=True)
class Losses:
    """The paid answers that never came into the database, by their cause.

    `spoiled`: those of batches of which the provider spoiled the line, by its fault. `out_of_sight`: of batches of a
    key that was replaced meanwhile by one of another account, which does not see them. `in_flight`: of single calls.
    `unexplained`: of batches with a whole line, which no kill may lose, as the results can be downloaded again.
    """

    spoiled: Counter[str]
    out_of_sight: int
    in_flight: int
    unexplained: list[str]


def losses(environment: Environment) -> Losses:
    """Compare the bill with the receipts, call by call."""
    calls = environment.ledger_view().calls
    kept = {row["id"] for row in calls if row["has_receipt"]}
    batched = {row["id"] for row in calls if row["batch_id"] is not None}
    lines, spoiled = environment.server.bill.lines, environment.server.batches.spoiled
    lost = {charge.custom_id for charge in lines if charge.custom_id} - kept
    replaced = {fingerprint(key) for key in environment.replaced_keys()}
    hidden = {charge.custom_id for charge in lines if charge.key in replaced} & lost - spoiled.keys()
    single = sum(not charge.custom_id for charge in lines) - len(kept - batched)
    return Losses(
        spoiled=Counter(spoiled[each] for each in lost if each in spoiled),
        out_of_sight=len(hidden),
        in_flight=max(0, single),
        unexplained=sorted(f"answer {each} of a batch was lost" for each in lost - hidden - spoiled.keys()),
    )


def unpaid_requests(environment: Environment) -> Iterator[str]:
    """Requests of batches that were billed more than once, or to calls that the ledger does not charge as much."""
    rows = {row["id"]: row for row in environment.ledger_view().calls}
    billed = Counter(charge.custom_id for charge in environment.server.bill.lines if charge.custom_id)
    yield from (f"T15 request {each} was billed {number} times" for each, number in billed.items() if number > 1)
    for charge in environment.server.bill.lines:
        row = rows.get(charge.custom_id)
        if charge.custom_id and (row is None or row["charged_usd"] < Decimal(charge.price_usd)):
            yield f"T15 request {charge.custom_id} was billed {charge.price_usd} USD, the ledger has {row}"
