"""The fields of a form as routes read them."""

from __future__ import annotations

from llm_monitoring.web.pages.forms import Form


def test_a_field_without_values_is_a_missing_one() -> None:
    """As when a refused form is shown again without the field that was not sent."""
    assert "default" == Form({"provider": ()}).text("provider", "default")
