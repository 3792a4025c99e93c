"""A person's account: the sessions that are open, each of which can be ended."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from llm_monitoring.access import sessions
from llm_monitoring.web.pages.forms import done
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.visitor import Visitor, signed_in

router: Final = APIRouter(include_in_schema=False, prefix="/account")

Person = Annotated[Visitor, signed_in()]
SessionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
def show_account(request: Request, visitor: Person) -> Response:
    """The person's address and open sessions."""
    assert visitor.session is not None
    assert visitor.user_id is not None
    found = sessions.sessions_of(visitor.app.db, visitor.user_id)
    answer = render(request, "account.html", visitor=visitor, sessions=found, current=visitor.session)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.post("/sessions/{session_id}/end")
def end_session(session_id: SessionId, visitor: Person) -> Response:
    """End a session of the person; one of others is a missing one."""
    sessions.end(visitor.app.db, visitor.actor, session_id)
    return done("/account")


@router.post("/sessions/end-others")
def end_other_sessions(visitor: Person) -> Response:
    """End every session of the person but this one."""
    sessions.end_all(visitor.app.db, visitor.actor, kept=visitor.session.id if visitor.session else None)
    return done("/account")
