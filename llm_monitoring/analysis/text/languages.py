"""Language codes as the rules that name languages read them."""

from __future__ import annotations

import re

CODE = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9_-]*)?\s*")


def language_of(code: object) -> str | None:
    """The ISO 639 language of a code such as `de`, `DE` or `de-AT`; None if it is no such code."""
    found = CODE.fullmatch(code) if isinstance(code, str) else None
    return found[1].lower() if found else None
