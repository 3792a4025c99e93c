"""What an entry of the record of changes was made to, in the words of the user."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.access.audit import subject_of


@pytest.mark.parametrize(
    ("action", "object_id", "before", "after", "expected"),
    [
        ("prompt.change", "12", {"query_text": "Old?"}, {"query_text": "New?"}, "New?"),
        ("prompt.remove", "12", {"query_text": "Old?"}, None, "Old?"),
        ("prompts.add", None, None, {"added": 3}, "3"),
        ("competitor.change", "Holded", {"name": "Holded"}, {"name": "Holded ERP"}, "Holded"),
        ("competitor.add", "1234", None, {"name": "1234"}, "1234"),
        ("key.store", "openai", None, None, "openai"),
        ("token.create", "7", None, {"name": "sheets"}, "sheets"),
        ("user.change", "7", {"email": "a@x.example"}, {"email": "b@x.example"}, "b@x.example"),
        ("share.revoke", "7", {"label": "Acme"}, None, "Acme"),
        ("session.end", "7", None, None, ""),
        ("project.restore", None, None, None, ""),
    ],
)
def test_subject(
    action: str, object_id: str | None, before: dict[str, Any] | None, after: dict[str, Any] | None, expected: str
) -> None:
    """A name or text stands for what was changed; the number of a row, which no page shows, does not."""
    entry = {"action": action, "object_id": object_id, "before": before, "after": after}
    assert expected == subject_of(entry)
