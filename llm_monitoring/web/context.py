"""What the service works with: its own pool of connections, and the stores as one user may see them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from llm_monitoring.access.addresses import public_address
from llm_monitoring.access.roles import row_security
from llm_monitoring.app import App, assemble, database_url
from llm_monitoring.db import Database, ProjectDatabase, UserDatabase, pending, require_sessions
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings import Settings
from llm_monitoring.web.background import Background
from llm_monitoring.web.oidc import Provider, provider_of
from llm_monitoring.web.rates import LastSeen, RateLimit, Slots, client_of
from llm_monitoring.web.reanalysis_worker import ReanalysisWorker
from llm_monitoring.web.turns import Turns

log = logging.getLogger(__name__)

CONNECTIONS: Final = 10  # as many as handler threads: none waits for a connection
BACKGROUND_CONNECTIONS: Final = 2  # one for each thread of the service that answers no request
RETRY_SECONDS: Final = 3.0  # the jobs wait 90 s for a database that is away; a request does not
STATEMENT_SECONDS: Final = 10.0
REQUESTS_A_MINUTE: Final = 600  # of a token
EXPORTS_A_MINUTE: Final = 6  # of a user, by whichever tokens and pages
EXPORTS_AT_ONCE: Final = 2  # of a user
SIGN_INS_A_MINUTE: Final = 10  # of a client's address
UNKNOWN_TOKENS_A_MINUTE: Final = 30  # of a client's address


@dataclass(frozen=True, slots=True)
class Service:
    """The open service; `address` is what links of the service begin with, None if it is not known.

    `oidc` is the provider at which people may sign in, None without one.
    `turns` limits the requests of a user, or of a share link, that are handled at once.
    `rate` counts requests of a token, `export_rate` exports of a user, the other rates those of a client's address.
    """

    db: Database
    settings: Settings
    turns: Turns
    rate: RateLimit
    export_rate: RateLimit
    export_slots: Slots
    sign_in_rate: RateLimit
    unknown_token_rate: RateLimit
    tokens_in_use: LastSeen
    address: str | None
    oidc: Provider | None
    background: Background
    reanalysis: ReanalysisWorker

    def client_of(self, connection: HTTPConnection) -> str:
        """The address of a client, as limits count it."""
        return client_of(connection, behind_edge=self.settings.on_railway)

    def app_of(self, user_id: int) -> App:
        """The stores on connections that row-level security binds to this user."""
        return assemble(UserDatabase(self.db, user_id), self.settings)

    def app_of_project(self, project_id: int) -> App:
        """The stores on connections that row-level security binds to this project, which they only read."""
        return assemble(ProjectDatabase(self.db, project_id), self.settings)


@contextmanager
def open_service(settings: Settings, port: int | None = None, *, is_local: bool = False) -> Iterator[Service]:
    """Open the pool for a service on `port` (PORT by default), which never migrates.

    One that is local serves the person who started it, who needs no wall.
    Raises ConfigurationError if the database needs a migration, PooledSessions behind a pooler in transaction mode.
    """
    size = CONNECTIONS + BACKGROUND_CONNECTIONS
    with (
        Database(
            database_url(settings), size=size, retry_seconds=RETRY_SECONDS, statement_seconds=STATEMENT_SECONDS
        ) as db,
        Background() as background,
    ):
        require_sessions(db)  # in a pooler, the wall of one visitor's rows would stand around another's
        if pending(db):
            raise ConfigurationError(
                "the database needs a migration, which the web service does not make: run `migrate`"
            )
        if not is_local:
            warn_without_wall(db)
        yield Service(
            db=db,
            settings=settings,
            turns=Turns(),
            rate=RateLimit(REQUESTS_A_MINUTE),
            export_rate=RateLimit(EXPORTS_A_MINUTE),
            export_slots=Slots(EXPORTS_AT_ONCE),
            sign_in_rate=RateLimit(SIGN_INS_A_MINUTE),
            unknown_token_rate=RateLimit(UNKNOWN_TOKENS_A_MINUTE),
            tokens_in_use=LastSeen(),
            address=public_address(settings, port),
            oidc=provider_of(settings, public_address(settings, port)),
            background=background,
            reanalysis=ReanalysisWorker(db, settings),
        )


def warn_without_wall(db: Database) -> None:
    """Say that row-level security does not hold for the service's login, so that the guard stands alone."""
    found = row_security(db)
    if not found.stands:
        fields = {"event": "web.no_wall", "role": found.login}
        log.warning("⚠️ La seguridad por filas no limita a %s: véase docs/api.md", found.login, extra=fields)
