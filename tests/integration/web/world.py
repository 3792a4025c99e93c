"""Two users with a project each, an open service, and tokens to call it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from fastapi import FastAPI
from starlette.testclient import TestClient

from llm_monitoring import projects
from llm_monitoring.access import sessions, tokens
from llm_monitoring.access.tokens import SCOPES
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Secret
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web import cookies
from llm_monitoring.web.boundary import Boundary
from llm_monitoring.web.context import Service, open_service
from llm_monitoring.web.service import PREFIX, create_app
from tests.conftest import Databases

MASTER_KEY: Final = "lcKsFMzwbEBSyvg5QyJqM6pDkrSOcb6AjJt6RJQZtVk="
REQUEST: Final = {"X-Request-Id": "request-0001"}  # equal answers are equal to the last byte


@dataclass
class World:
    """The service and who calls it."""

    service: Service
    app: FastAPI
    http: TestClient
    db: Database
    ana: int = 0
    bea: int = 0
    project: int = 0
    foreign: int = 0

    @cached_property
    def texts(self) -> Tokens:
        return Tokens(self)

    def token(self, user_id: int, scopes: Sequence[str] = SCOPES, project_ids: Sequence[int] | None = None) -> str:
        made: tuple[Any, Secret] = tokens.create(self.db, user_id, "a test", scopes, project_ids)
        return made[1].reveal()

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> Any:
        """Call below the API's prefix, as Ana with every scope unless another token is given; empty: without one."""
        text = self.texts["ana"] if token is None else token
        headers = {**REQUEST, **({"Authorization": f"Bearer {text}"} if text else {}), **options.pop("headers", {})}
        return self.http.request(method, PREFIX + path, headers=headers, **options)

    def open(self, path: str, cookies: Mapping[str, str] | None = None, method: str = "GET", **options: Any) -> Any:
        """Open a page as a browser with these cookies does, a POST as from our own page unless `headers` say else."""
        self.http.cookies.clear()
        sent = "; ".join(f"{name}={text}" for name, text in (cookies or {}).items())
        headers = {**REQUEST, "Sec-Fetch-Site": "same-origin", **({"Cookie": sent} if sent else {})}
        return self.http.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)


class Tokens(dict[str, str]):
    """The tokens of Ana and Bea with every scope, by their names: made when they are first used, as pages use none."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def __missing__(self, name: str) -> str:
        self[name] = self.world.token({"ana": self.world.ana, "bea": self.world.bea}[name])
        return self[name]


APPS: Final[list[FastAPI]] = []
"""Applications that no world uses: each has built its routes, which costs more than a test's requests."""


def fill_two_users(url: str) -> None:
    """Add Ana and Bea with a project each to a migrated database."""
    with Database(url) as db:
        for name in ("ana", "bea"):
            add_project(db, projects.add_user(db, f"{name}@example.com"))


def two_users(databases: Databases) -> str:
    """Return the name of the template with Ana and Bea."""
    return databases.template("two_users", fill_two_users, databases.migrated())


@contextmanager
def app_of(service: Service) -> Iterator[FastAPI]:
    """An application on a service, for as long as the block; the next one has it then."""
    app = APPS.pop() if APPS else create_app(service)
    app.state.service = service
    yield app
    APPS.append(app)


@contextmanager
def open_world(
    database_url: str, service_url: str | None = None, app: FastAPI | None = None, /, **variables: str
) -> Iterator[World]:
    """The world on a copy of `two_users`; the service enters it by another address if one is given.

    `variables` are further settings. An application of the test's own is `app`.
    """
    settings = load_settings(
        {
            "DATABASE_URL": service_url or database_url,
            "LLM_KEYS_ENCRYPTION_KEY": MASTER_KEY,
            "LLM_WEB_HOST": "testserver",
            **variables,
        },
        dotenv=False,
    )
    with ExitStack() as stack:
        service = stack.enter_context(open_service(settings))
        db = stack.enter_context(Database(database_url, retry_seconds=10.0))
        service.unknown_token_rate.limit = 1_000_000  # each operation is called with tokens of no one
        if app is None:
            app = stack.enter_context(app_of(service))
        app.state.service = service
        served = Boundary(app, frozenset(settings.web_hosts or ()))
        with TestClient(served, "https://testserver", raise_server_exceptions=False, follow_redirects=False) as http:
            world = World(service, app, http, db)
            rows = db.all("SELECT user_id, id FROM llm_monitoring_projects ORDER BY id")[:2]
            (world.ana, world.project), (world.bea, world.foreign) = ((row["user_id"], row["id"]) for row in rows)
            yield world


def sign_in(world: World, user_id: int) -> dict[str, str]:
    """Begin a session of a user; return its cookies, for `world.open`."""
    return {f"__Host-{cookies.SESSION}": sessions.begin(world.db, user_id, "link").reveal()}


def add_project(db: Database, user_id: int, name: str = "Quipu") -> int:
    new = projects.NewProject(user_id, name, Entity(name), "software", (Entity("Holded"),))
    project_id = projects.add(db, new)
    projects.add_prompts(db, project_id, ["¿Qué programa recomiendas?", "¿Y para autónomos?"])
    return project_id
