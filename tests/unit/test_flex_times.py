"""How long flex calls may take and until when they start, alone and on several machines."""

from __future__ import annotations

import pytest

from llm_monitoring.distributed.shared_settings import digests
from llm_monitoring.runs.daily import longest_let_go
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
