"""Hand-offs from the host application: it signs who its user is, and that user goes on with a session here.

A hand-off is `USER.SECONDS.NONCE.SIGNATURE`: the user's number, the time of signing in seconds since 1970, 16 random
bytes in hex, and in hex the HMAC-SHA256 of PURPOSE, a line end and the first three parts with their dots. The
algorithm is fixed: nothing in the text chooses it.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from typing import Final

from llm_monitoring.access import sessions
from llm_monitoring.access.one_time import hash_of
from llm_monitoring.db import Database, in_transaction, load
from llm_monitoring.domain import Secret

SQL = load("people")

PURPOSE: Final = "brand monitoring hand-off"
MOST_SECONDS: Final = 60
EARLY_SECONDS: Final = 5  # the host's clock may be ahead by this
FORM: Final = re.compile(r"([1-9][0-9]{0,9})\.([0-9]{10})\.([0-9a-f]{32})\.([0-9a-f]{64})")


def sign(secret: Secret, user_id: int, now: float | None = None) -> str:
    """A hand-off of a user, for one use within MOST_SECONDS."""
    body = f"{user_id}.{int(time.time() if now is None else now)}.{secrets.token_hex(16)}"
    return f"{body}.{signature(secret, body)}"


def user_of(secret: Secret, text: str, now: float | None = None) -> int | None:
    """The user of a hand-off that was signed with this secret within MOST_SECONDS; None for any other text."""
    found = FORM.fullmatch(text)
    if found is None or not hmac.compare_digest(found[4], signature(secret, text.rpartition(".")[0])):
        return None
    age = (time.time() if now is None else now) - int(found[2])
    return int(found[1]) if -EARLY_SECONDS <= age <= MOST_SECONDS and int(found[1]) < 2**31 else None


def spend(db: Database, user_id: int, text: str, client: str = "") -> Secret | None:
    """Begin a session by a hand-off that was read; None if it was spent before."""

    def work(db: Database) -> Secret | None:
        db.execute(SQL.forget_hand_offs)
        if db.one(SQL.spend_hand_off, {"hand_off_hash": hash_of(text)}) is None:
            return None
        return sessions.begin(db, user_id, "hand_off", client)

    return in_transaction(db, work)


def signature(secret: Secret, body: str) -> str:
    return hmac.new(secret.reveal().encode(), f"{PURPOSE}\n{body}".encode(), "sha256").hexdigest()
