"""An answer as it is shown."""

from __future__ import annotations

import pytest

from llm_monitoring.reporting.answer_page import AnswerPage


@pytest.mark.parametrize(
    ("served", "is_another"),
    [
        ("gpt-6.1-terra", False),
        ("gpt-6.1-terra-2026-10-06", False),
        (None, False),
        ("gpt-6-luna", True),
        ("gpt-6.1-terra-mini", True),
    ],
)
def test_a_version_of_the_model_that_was_asked_is_not_another(served: str | None, is_another: bool) -> None:
    """Only another model is marked, not the dated version that a name stands for."""
    row = {"model_id": "gpt-6.1-terra", "model_used": served}
    page = AnswerPage(row, (), 0, (), 0, None, None, (), None)
    assert is_another is page.is_asked_otherwise
