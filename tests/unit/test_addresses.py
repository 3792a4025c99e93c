"""E-mail addresses as people type and paste them."""

from __future__ import annotations

import pytest

from llm_monitoring.domain import is_address

PASTED = [
    "mailto:a@b.example",
    "<a@b.example>",
    "Ana <a@b.example>",
    '"a@b.example"',
    "a@b.example,",
    "a@b.example;",
    "a@b.example.",
    "a@b.example, c@d.example",
]


@pytest.mark.parametrize("text", ["ana@agency.example", "ana+crm@b.example", "o'brien@b.example", "josé@exämple.com"])
def test_an_address(text: str) -> None:
    """Any address that mail programs take is one."""
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "ana", "ana@", "@b.example", "a@b@c", "a@b\x00.example", "a@b\n", *PASTED])
def test_no_address(text: str) -> None:
    """What is often pasted with an address is no part of it: no mail would arrive there."""
    assert not is_address(text)
