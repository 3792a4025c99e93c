"""Who opens a page: a person with a session, or anyone with a share link to one project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Request, Security
from fastapi.responses import RedirectResponse, Response
from fastapi.security import SecurityScopes

from llm_monitoring.access import roles, sessions, shares
from llm_monitoring.access.agencies import Agency, agency_of_project
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.sessions import Session
from llm_monitoring.access.shares import Share
from llm_monitoring.app import App
from llm_monitoring.edits import changing
from llm_monitoring.web import cookies
from llm_monitoring.web.context import Service
from llm_monitoring.web.guard import ProjectId
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.turns import with_turn

T = TypeVar("T")
READS: Final = frozenset({"projects:read", "figures:read", "answers:read"})
SAFE: Final = frozenset({"GET", "HEAD"})
SIGN_IN: Final = "/sign-in"
Role = Literal["owner", "viewer", "share"]


class SignInNeeded(Exception):
    """A page needs a person, who is sent to sign in and comes back to `path`."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who opens a page, and the stores as this visitor may see them. A share link has no user."""

    kind: Literal["person", "share"]
    user_id: int | None
    app: App
    actor: Actor
    session: Session | None = None
    share: Share | None = None
    agency: Agency | None = None

    @property
    def account(self) -> object:
        """Who has turns: the user, or the share link."""
        return self.user_id if self.share is None else share_account(self.share)

    def change(self, work: Callable[[App], T]) -> T:
        """Do `work` on stores that share one transaction, so that a change and its record stand or fall together."""
        return changing(self.app, work)


@dataclass(frozen=True, slots=True)
class ProjectVisitor:
    """A visitor within one project: its owner, a viewer, or a share link."""

    visitor: Visitor
    project_id: int
    role: Role
    is_archived: bool

    @property
    def app(self) -> App:
        return self.visitor.app

    @property
    def account(self) -> object:
        return self.visitor.account

    @property
    def is_owner(self) -> bool:
        """Whether the visitor sees cost, keys, budget and failure texts, and may change something."""
        return self.role == "owner"


def require_same_origin(request: Request) -> None:
    """Refuse a change that a page of another site asks for. Browsers of the last years say where a request is from.

    One that comes from no page (`none`) names no page either, or our own.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    own = request.app.state.service.address
    origin = request.headers.get("origin", own if site == "none" else None)
    if not (site == "same-origin" or (site in (None, "", "none") and origin is not None and origin == own)):
        raise Problem("foreign_origin")


def person_of(request: Request) -> Visitor | None:
    """The person of the request's session."""
    service: Service = request.app.state.service
    found = sessions.find(service.db, cookies.read(request, cookies.SESSION))
    if found is None:
        return None
    service.rate.take(("session", found.id))
    sessions.note_use(service.db, found)
    return Visitor(
        "person", found.user_id, service.app_of(found.user_id), Actor("person", found.user_id, found.id), session=found
    )


def share_of(request: Request, project_id: int) -> Visitor | None:
    """The visitor by a share link of this project; raises Problem if the link that was opened is no longer valid."""
    service: Service = request.app.state.service
    text = cookies.read(request, f"{cookies.SHARE}{project_id}")
    if not text:
        return None
    found = shares.find(service.db, text)
    if found is None or found.project_id != project_id or found.kind != "live":
        raise Problem("not_found")
    service.rate.take(share_account(found))
    actor = Actor("share", found.user_id, found.id)
    app = service.app_of_project(project_id)
    return Visitor("share", None, app, actor, share=found, agency=agency_of_project(app.db, project_id))


def share_account(share: Share) -> tuple[str, int]:
    """What limits of a share link count by."""
    return ("share", share.id)


def share_cookie(share: Share) -> str:
    """The cookie of a share link: links to several projects stand next to each other in one browser."""
    return f"{cookies.SHARE}{share.project_id}" if share.kind == "live" else f"{cookies.FROZEN}{share.id}"


def require_person(request: Request) -> Visitor:
    """The person of a page; without a session a GET leads to the sign-in page, and anything else is refused."""
    require_same_origin(request)
    found = person_of(request)
    if found is None:
        raise no_session(request)
    return found


def no_session(request: Request) -> Exception:
    if request.method not in SAFE:
        return Problem("sign_in_needed")
    return SignInNeeded(request.url.path + (f"?{request.url.query}" if request.url.query else ""))


def open_project(project_id: ProjectId, needed: SecurityScopes, request: Request) -> ProjectVisitor:
    """The visitor of a project's page: a project of others is a missing one, and so is what the role may not do."""
    require_same_origin(request)
    person = person_of(request)
    found = within(person, project_id, needed.scopes) if person else None
    if found is not None:
        return found
    share = share_of(request, project_id)
    found = within(share, project_id, needed.scopes) if share else None
    if found is None:
        raise Problem("not_found") if person or share else no_session(request)
    return found


def within(visitor: Visitor, project_id: int, scopes: Sequence[str]) -> ProjectVisitor | None:
    """The visitor in a project, if the role has these scopes there."""
    if visitor.user_id is None:
        archived = roles.is_archived(visitor.app.db, project_id)
        return (
            ProjectVisitor(visitor, project_id, "share", False) if archived is False and READS >= set(scopes) else None
        )
    found = roles.role_of(visitor.app.db, project_id, visitor.user_id)
    if found is None or (found.role != "owner" and not READS >= set(scopes)):
        return None
    return ProjectVisitor(visitor, project_id, found.role, found.is_archived)


PERSON: Final = with_turn(require_person)
PROJECT_VISITOR: Final = with_turn(open_project)


def signed_in() -> Any:
    """The dependency of a page of a person."""
    return Depends(PERSON)


def on_page(*scopes: str) -> Any:
    """The dependency of a page below a project: a visitor of the project who has these scopes."""
    return Security(PROJECT_VISITOR, scopes=scopes)


def same_origin() -> Any:
    """The dependency of a form that needs no session."""
    return Depends(require_same_origin)


def own_path(text: str) -> str:
    """A path of this service to go to after a sign-in; `/` for anything that could lead elsewhere."""
    parts = urlsplit(text)
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return text if is_ours and text.isprintable() and text.isascii() and "\\" not in text and len(text) < 2000 else "/"


def install(app: FastAPI) -> None:
    """Lead a visitor without a session to the sign-in page."""
    app.add_exception_handler(SignInNeeded, lambda request, error: lead_to_sign_in(error))


def lead_to_sign_in(error: Exception) -> Response:
    path = error.path if isinstance(error, SignInNeeded) else "/"
    target = SIGN_IN if path == "/" else f"{SIGN_IN}?next={quote(path, safe='/')}"
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})
