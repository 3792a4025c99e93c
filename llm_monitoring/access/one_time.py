"""Random texts of links and cookies: 32 bytes, of which only the hash is stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_text() -> str:
    """A text that goes into an address or a cookie as it is."""
    return secrets.token_urlsafe(32)


def has_form(text: str) -> bool:
    """Whether a text can be one of these: another form asks the database nothing."""
    return FORM.fullmatch(text) is not None


def hash_of(text: str) -> bytes:
    # 256 random bits need no slow hash: nothing shorter than all of them can be guessed
    return hashlib.sha256(text.encode()).digest()
