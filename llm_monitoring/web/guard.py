"""The guard: who calls, with which token, and whether the token reaches the project and has the scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from llm_monitoring.access import roles, tokens
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.tokens import Token
from llm_monitoring.app import App
from llm_monitoring.edits import changing
from llm_monitoring.web.context import Service
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.query import check_query
from llm_monitoring.web.turns import with_turn

T = TypeVar("T")
WRITES: Final = frozenset({"projects:write", "keys:write", "runs:start", "shares:write"})
BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="A token of `tokens create`.")
ProjectId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The project's number.")]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token, and the stores as its user may see them."""

    token: Token
    app: App

    @property
    def user_id(self) -> int:
        return self.token.user_id

    @property
    def account(self) -> int:
        return self.user_id

    @property
    def actor(self) -> Actor:
        return Actor("token", self.token.user_id, self.token.id)

    def change(self, work: Callable[[App], T]) -> T:
        """Do `work` on stores that share one transaction, so that a change and its record stand or fall together."""
        return changing(self.app, work)


@dataclass(frozen=True, slots=True)
class ProjectCaller:
    """A caller who may see one project, as its owner or as a viewer."""

    caller: Caller
    project_id: int
    role: Literal["owner", "viewer"]
    is_archived: bool

    @property
    def app(self) -> App:
        return self.caller.app

    @property
    def account(self) -> int:
        return self.caller.account


def authenticate(service: Service, text: str | None, client: str = "") -> Caller:
    """The caller that a token's text names; raises Problem without a valid token or above the rate.

    `client` is the address that the request comes from.
    """
    if not text:
        raise Problem("unauthenticated")
    token = find_token(service, text, client)
    service.rate.take(token.id)
    caller = Caller(token, service.app_of(token.user_id))
    tokens.note_use(caller.app.db, token)
    return caller


def find_token(service: Service, text: str, client: str) -> Token:
    """The token of a text. An address with too many texts of no token is refused, but not the tokens in use there."""
    mark = tokens.hash_of(text)
    if mark not in service.tokens_in_use:
        service.unknown_token_rate.require_room(client)
    token = tokens.find(service.db, text)
    if token is None:
        service.unknown_token_rate.take(client)
        raise Problem("unauthenticated")
    service.tokens_in_use.note(mark)
    return token


def require(token: Token, scopes: Sequence[str]) -> None:
    """Raise Problem that names the scopes that the token lacks."""
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing:
        raise Problem("scope_missing", ", ".join(missing))


def enter(caller: Caller, project_id: int, scopes: Sequence[str]) -> ProjectCaller:
    """The caller within a project; a project of others is a missing one, and a viewer changes nothing."""
    found = roles.role_of(caller.app.db, project_id, caller.user_id) if caller.token.reaches(project_id) else None
    if found is None or (found.role == "viewer" and WRITES.intersection(scopes)):
        raise Problem("not_found")
    return ProjectCaller(caller, project_id, found.role, found.is_archived)


def identify(
    request: Request, needed: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Caller:
    """The caller of a request, who has the scopes of its route; its query holds only what the route takes."""
    service: Service = request.app.state.service
    caller = authenticate(service, given.credentials if given else None, service.client_of(request))
    require(caller.token, needed.scopes)
    check_query(request)
    return caller


def reach(
    project_id: ProjectId, needed: SecurityScopes, caller: Annotated[Caller, Security(identify)]
) -> ProjectCaller:
    """The caller of a project's route."""
    return enter(caller, project_id, needed.scopes)


CALLER: Final = with_turn(identify)
PROJECT_CALLER: Final = with_turn(reach)


def needs(*scopes: str) -> Any:
    """The dependency of a route: a caller with these scopes."""
    return Security(CALLER, scopes=scopes)


def on_project(*scopes: str) -> Any:
    """The dependency of a route below a project: a caller with these scopes who may see it."""
    return Security(PROJECT_CALLER, scopes=scopes)
