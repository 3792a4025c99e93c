"""The questions that are asked of the judge."""

from __future__ import annotations

import pytest

from llm_monitoring.registry import Model
from llm_monitoring.runs.questions import judge_question


@pytest.mark.parametrize(("limit", "expected"), [(None, 1000), (128_000, 1000), (500, 500)])
def test_a_judge_may_think_before_its_verdict(limit: int | None, expected: int) -> None:
    """A verdict that is cut off by thinking would be paid and lost; what a model cannot say is not asked."""
    judge = Model(
        provider="openai",
        model_id="m",
        display_name="M",
        is_current=False,
        prices=None,
        max_output_tokens=limit,
        reasoning_effort=None,
        max_searches_per_call=None,
    )
    assert expected == judge_question("Holded", ("Lo mejor es Holded.",), judge).max_output_tokens
