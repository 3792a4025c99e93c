"""The token that calls: shown, and ended.

No token makes another one. Whoever has found a token could make the next with it, which its revocation would not end;
tokens are made by their user's command or page. For the same reason a token neither sees nor ends others.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from llm_monitoring.access import audit, tokens
from llm_monitoring.app import App
from llm_monitoring.web.api.schemas import Page
from llm_monitoring.web.guard import Caller, needs
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(prefix="/tokens", tags=["account"])

TokenId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The token's number.")]


class TokenView(BaseModel):
    """A token without its text, which was shown once."""

    id: int
    name: str
    prefix: str = Field(description="Its first characters.")
    scopes: list[str]
    project_ids: list[int] | None = Field(description="The projects it is narrowed to; null: all of the user's.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@router.get("", response_model=Page[TokenView])
def list_tokens(caller: Annotated[Caller, needs()], response: Response) -> Any:
    """List the calling token alone."""
    response.headers["Cache-Control"] = "no-store"
    token = caller.token
    shown = {name: getattr(token, name) for name in TokenView.model_fields} | {"scopes": sorted(token.scopes)}
    return {"data": [shown], "next_cursor": None}


@router.delete("/{token_id}", status_code=204)
def revoke_token(token_id: TokenId, caller: Annotated[Caller, needs()]) -> Response:
    """End the calling token at once, as after it was found where it should not be; any other is a missing one."""
    if token_id != caller.token.id:
        raise Problem("not_found")

    def work(app: App) -> None:
        if tokens.revoke(app.db, token_id, caller.user_id)[1]:
            audit.record(app.db, caller.actor, "token.revoke", object_id=token_id)

    caller.change(work)
    return Response(status_code=204)
