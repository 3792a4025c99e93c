"""How long flex calls may take and until when they start, alone and on several machines."""

from __future__ import annotations

from datetime import date

import pytest

from llm_monitoring.distributed.shared_settings import digests
from llm_monitoring.domain import KeyId, Task
from llm_monitoring.providers.base import Refusal, Shed
from llm_monitoring.runs.call_errors import ask_at_full_price
from llm_monitoring.runs.daily import longest_let_go
from llm_monitoring.runs.dispatcher import WorkItem
from llm_monitoring.runs.runner import last_flex_start
from llm_monitoring.settings import Settings, load_settings


def loaded(**environ: str) -> Settings:
    return load_settings(environ, dotenv=False)


@pytest.mark.parametrize(
    ("deadline", "longest_call", "until"),
    [(10_800.0, 900.0, 5_400.0), (1_600.0, 900.0, 700.0), (600.0, 900.0, -300.0)],
)
def test_flex_starts_in_the_first_half_and_ends_before_the_deadline(
    deadline: float, longest_call: float, until: float
) -> None:
    """Half of the run's time stays for what is asked at the full price, and no flex call outlasts the run."""
    assert until + 100.0 == last_flex_start(100.0, deadline + 100.0, longest_call)


def test_a_stop_waits_as_long_as_a_flex_call_lasts() -> None:
    """The next start waits for workers of an ended run that long too; without flex as long as it did."""
    assert 270.0 == longest_let_go(loaded())
    assert 930.0 == longest_let_go(loaded(LLM_ECONOMY="google:flex"))
    assert 270.0 == longest_let_go(loaded(LLM_ECONOMY="google:flex", LLM_FLEX_TIMEOUT_SECONDS="60"))


def test_every_machine_of_a_run_has_the_same_economy() -> None:
    """A worker with other cheaper modes takes no chunk; with none of them its settings are those of before."""
    assert "LLM_ECONOMY" not in digests(loaded())
    one, other = (digests(loaded(LLM_ECONOMY=text)) for text in ("openai:flex,google:flex", "google:flex,openai:flex"))
    assert one == other
    assert one != digests(loaded(LLM_ECONOMY="openai:flex"))


def test_a_call_that_is_shed_twice_is_asked_at_the_full_price() -> None:
    """Once more as flex after a pause, then in standard mode at once; neither counts as an attempt."""
    task = Task(1, 1, 1, "google", date(2026, 11, 23), 1, "q", "en")
    item = WorkItem(task, "google", KeyId("google", 1), mode="flex", attempts=1)
    shed = Shed("no room", status=503, retry_after=None, refusal=Refusal("overloaded", "flex"))
    waits = [(ask_at_full_price(shed, item), item.mode) for _ in range(3)]
    assert [("flex", True), ("standard", False), ("standard", False)] == [(mode, bool(wait)) for wait, mode in waits]
    assert [0.0, None] == [wait for wait, _ in waits[1:]]
    assert 1 == item.attempts
