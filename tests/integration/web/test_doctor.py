"""`doctor` on the web service's access to rows: off, on without a login, on with one, and asked by that login."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.access import tokens
from llm_monitoring.db import Database
from llm_monitoring.health import web
from tests.integration.test_grants import as_login, execute, grants
from tests.integration.web.world import World, open_world


@pytest.fixture
def login(database_url: str) -> Iterator[str]:
    """A login of the web role, on the database with its grants."""
    execute(database_url, grants())
    execute(database_url, "CREATE ROLE test_doctor LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_web")
    yield as_login(database_url, "doctor")
    execute(database_url, "DROP ROLE test_doctor")


def looked_at(url: str) -> list[tuple[str, str, str]]:
    with Database(url, size=1, retry_seconds=0) as db:
        return [(each.colour, each.message, each.fix) for each in web.rows(db)]


def test_without_row_security_the_grants_are_named(world: World) -> None:
    """Yellow, with the command that prints them and the login to make."""
    world.token(world.ana)
    ((colour, message, fix),) = looked_at(world.db.dsn)
    assert "yellow" == colour
    assert "is off" in message
    assert "migrate --print-grants" in fix
    assert "IN ROLE llm_monitoring_web" in fix


def test_a_login_that_no_one_made_is_named(world: World) -> None:
    """Row-level security is on, but the service can only enter by a login that bypasses it."""
    world.token(world.ana)
    execute(world.db.dsn, grants())
    ((colour, message, fix),) = looked_at(world.db.dsn)
    assert "yellow" == colour
    assert "no login is limited" in message
    assert fix.startswith("as the owner: CREATE ROLE web LOGIN")


@pytest.mark.parametrize("by_web", [False, True], ids=["owner", "web"])
def test_a_login_of_the_web_role_is_green(login: str, database_url: str, by_web: bool) -> None:
    """Named to the owner, and said of itself."""
    with open_world(database_url) as world:
        world.token(world.ana)
        ((colour, message, _),) = looked_at(login if by_web else database_url)
    assert "green" == colour
    assert "limits test_doctor" in message
    assert by_web == ("bypasses" not in message)


@pytest.mark.parametrize("end", ["DELETE FROM llm_api_tokens", "UPDATE llm_api_tokens SET revoked_at = now()"])
def test_without_a_valid_token_nothing_is_said(world: World, end: str) -> None:
    """The web service is not in use: no line, until there is a token."""
    world.db.execute(end)
    assert [] == looked_at(world.db.dsn)
    tokens.create(world.db, world.ana, "a test", ["projects:read"])
    assert 1 == len(looked_at(world.db.dsn))
