"""Tokens of programs: made once, kept as a hash, narrowed to scopes and projects."""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from llm_monitoring.db import Database, Row, in_transaction, load, take_turn
from llm_monitoring.domain import Secret
from llm_monitoring.errors import Invalid, NotFound

SQL = load("access")

Scope = Literal[
    "projects:read",
    "projects:write",
    "figures:read",
    "answers:read",
    "runs:start",
    "keys:write",
    "budget:read",
    "shares:write",
]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
LONGEST_NAME: Final = 100
MOST_TOKENS: Final = 200  # of a user
PREFIX: Final = "llmm_"
SHOWN: Final = len(PREFIX) + 7
FORM: Final = re.compile(r"llmm_[0-9a-f]{64}[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Token:
    """What a token may do: its scopes, on all projects of its user or on `project_ids` alone."""

    id: int
    user_id: int
    email: str | None
    name: str
    prefix: str
    scopes: frozenset[str]
    project_ids: tuple[int, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def reaches(self, project_id: int) -> bool:
        """Whether its narrowing lets it see the project, if its user may."""
        return self.project_ids is None or project_id in self.project_ids


def create(
    db: Database,
    user_id: int,
    name: str,
    scopes: Collection[str],
    project_ids: Sequence[int] | None = None,
    expires_at: datetime | None = None,
) -> tuple[Token, Secret]:
    """Store a new token and return it with its text, which is shown once and kept nowhere.

    Raises Invalid for an unknown scope, an empty list, a project of another user, a day that has passed, and
    for one token too many.
    """
    check(db, user_id, name, scopes, project_ids, expires_at)
    text = new_text()
    values = {
        "user_id": user_id,
        "name": name.strip(),
        "prefix": text[:SHOWN],
        "token_hash": hash_of(text),
        "scopes": sorted(set(scopes)),
        "project_ids": None if project_ids is None else sorted(set(project_ids)),
        "expires_at": expires_at,
        "most": MOST_TOKENS,
    }

    def work(db: Database) -> Row | None:
        take_turn(db, f"tokens of user {user_id}")
        return db.one(SQL.add_token, values)

    row = in_transaction(db, work)
    if row is None:
        sentence = f"a user has at most {MOST_TOKENS} tokens that are valid or were made today: revoke one"
        raise Invalid("name", sentence, code="tokens_too_many", most=MOST_TOKENS)
    return read_token(row), Secret(text)


def check(
    db: Database,
    user_id: int,
    name: str,
    scopes: Collection[str],
    project_ids: Sequence[int] | None,
    expires_at: datetime | None,
) -> None:
    if not 1 <= len(name.strip()) <= LONGEST_NAME:
        sentence = f"a token's name has 1 to {LONGEST_NAME} characters"
        raise Invalid("name", sentence, code="text_length", most=LONGEST_NAME)
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        sentence = f"{', '.join(unknown) or 'no scope'}: the scopes are {', '.join(SCOPES)}"
        raise Invalid("scopes", sentence, code="scopes_unknown")
    if project_ids is not None and not project_ids:
        sentence = "an empty list of projects would reach none: leave it out for all of the user's projects"
        raise Invalid("project_ids", sentence, code="projects_missing")
    foreign = db.all(SQL.foreign_projects, {"user_id": user_id, "project_ids": list(project_ids or ())})
    if foreign:
        sentence = f"user {user_id} has no project {', '.join(str(row['id']) for row in foreign)}"
        raise Invalid("project_ids", sentence, code="projects_unknown")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        sentence = f"{expires_at:%Y-%m-%d} has passed: a token ends on a later day"
        raise Invalid("expires_at", sentence, code="day_passed")


def find(db: Database, text: str) -> Token | None:
    """The token of a text, if it is known, not expired and not revoked; a text of another form asks nothing."""
    if not is_token(text):
        return None
    row = db.one(SQL.token_by_hash, {"token_hash": hash_of(text)})
    return None if row is None else read_token(row)


def tokens_of(db: Database, user_id: int | None = None) -> list[Token]:
    """A user's tokens, or all, those that were revoked included."""
    return [read_token(row) for row in db.all(SQL.tokens, {"user_id": user_id})]


def revoke(db: Database, token_id: int, user_id: int | None = None) -> tuple[Token, bool]:
    """End a token's use, of this user if one is given, and return whether it had not ended; raises NotFound."""
    row = db.one(SQL.revoke_token, {"id": token_id, "user_id": user_id})
    if row is None:
        raise NotFound("token", token_id)
    return read_token(row), row["ended"]


def note_use(db: Database, token: Token) -> None:
    """Note that a token was used now, once a minute at most."""
    db.execute(SQL.note_use, {"id": token.id})


def new_text() -> str:
    """A token's text: a prefix that scanners of leaked secrets know, 32 random bytes and a checksum."""
    body = secrets.token_hex(32)
    return f"{PREFIX}{body}{checksum(body)}"


def is_token(text: str) -> bool:
    """Whether a text has a token's form, its checksum included: what is mistyped costs no query."""
    return FORM.fullmatch(text) is not None and checksum(text[len(PREFIX) : -8]) == text[-8:]


def checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def hash_of(text: str) -> bytes:
    # 256 random bits need no slow hash: nothing shorter than all of them can be guessed
    return hashlib.sha256(text.encode()).digest()


def read_token(row: Row) -> Token:
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        email=row.get("email"),
        name=row["name"],
        prefix=row["prefix"],
        scopes=frozenset(row["scopes"]),
        project_ids=None if row["project_ids"] is None else tuple(row["project_ids"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
