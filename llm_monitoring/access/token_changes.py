"""Tokens made and revoked, each with its record in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_monitoring.access import audit, tokens
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.tokens import Token
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.domain import Secret


def issue_token(
    db: Database, actor: Actor, name: str, scopes: Sequence[str], project_ids: Sequence[int] | None, days: int
) -> tuple[Token, Secret]:
    """Create a token of the actor's account that ends in `days`; raises what `tokens.create` raises."""

    def work(db: Database) -> tuple[Token, Secret]:
        ends = datetime.now(UTC) + timedelta(days=days)
        token, secret = tokens.create(db, actor.user_id, name, scopes, project_ids, ends)
        audit.record(db, actor, "token.create", object_id=token.id, after=token_fields(token))
        return token, secret

    return in_transaction(db, work)


def revoke_token(db: Database, actor: Actor, token_id: int) -> Token:
    """End the use of a token of the actor's account at once; raises NotFound."""

    def work(db: Database) -> Token:
        found, ended = tokens.revoke(db, token_id, actor.user_id)
        if ended:
            audit.record(db, actor, "token.revoke", object_id=found.id)
        return found

    return in_transaction(db, work)


def token_fields(token: Token) -> dict[str, Any]:
    """A token as it is shown: all but its hash."""
    return {
        "id": token.id,
        "user_id": token.user_id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": sorted(token.scopes),
        "project_ids": None if token.project_ids is None else list(token.project_ids),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at and token.expires_at.isoformat(),
        "last_used_at": token.last_used_at and token.last_used_at.isoformat(),
        "revoked_at": token.revoked_at and token.revoked_at.isoformat(),
    }
