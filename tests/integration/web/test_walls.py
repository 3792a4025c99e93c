"""A canary in one user's data, and each proof of isolation without the wall that it proves: then it must fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_monitoring.access import projects as visible
from llm_monitoring.access import roles, tokens
from llm_monitoring.access.roles import ProjectRole
from llm_monitoring.access.tokens import Token
from llm_monitoring.web import guard
from tests.integration.web import test_isolation, test_wall
from tests.integration.web.canary import CANARY, fill, seen
from tests.integration.web.test_wall import world as walled
from tests.integration.web.world import World

__all__ = ["walled"]

HELD = {
    ("llm_monitoring_projects", "name"), ("llm_monitoring_projects", "brand_name"),
    ("llm_monitoring_projects", "industry"), ("llm_monitoring_projects", "competitors"),
    ("llm_monitoring_queries", "query_text"), ("llm_monitoring_results", "full_response"),
    ("llm_monitoring_results", "query_text"), ("llm_monitoring_results", "sources"),
    ("llm_monitoring_results", "competitors_mentioned"), ("llm_monitoring_snapshots", "competitor_breakdown"),
    ("llm_monitoring_failed_tasks", "message"), ("llm_project_notes", "text"), ("llm_prompt_tags", "tag"),
    ("llm_api_tokens", "name"), ("llm_audit_log", "after"), ("llm_idempotency_keys", "body"),
    ("llm_analysis_orders", "reason"), ("user_llm_api_keys", "anthropic_api_key_encrypted"), ("users", "email"),
}  # fmt: skip


def test_a_canary_of_one_user_shows_to_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """In every text column of Bea's rows; no byte of an answer, export, tool, page or log line of Ana's has it."""
    assert set() == HELD - fill(world)
    assert [] == seen(world, caplog)
    own = world.call("GET", f"/projects/{world.foreign}", world.token(world.bea))
    assert CANARY in own.text, "Bea sees it herself, so that it is looked for in the right form"


def everyone_owns(patch: pytest.MonkeyPatch, world: World) -> None:
    patch.setattr(roles, "role_of", lambda *_: ProjectRole("owner", False))


def tokens_reach_all(patch: pytest.MonkeyPatch, world: World) -> None:
    patch.setattr(Token, "reaches", lambda *_: True)


def scopes_are_not_asked(patch: pytest.MonkeyPatch, world: World) -> None:
    patch.setattr(guard, "require", lambda *_: None)


def viewers_write(patch: pytest.MonkeyPatch, world: World) -> None:
    patch.setattr(guard, "WRITES", frozenset())


def any_token_is_valid(patch: pytest.MonkeyPatch, world: World) -> None:
    world.token(world.ana)
    (ana,) = tokens.tokens_of(world.db, world.ana)
    patch.setattr(tokens, "find", lambda *_: ana)


def a_route_has_no_guard(patch: pytest.MonkeyPatch, world: World) -> None:
    patch.setattr(test_isolation, "reach", lambda: None)


def lists_have_all_projects(patch: pytest.MonkeyPatch, world: World) -> None:
    sql = visible.SQL.visible_projects
    patch.setattr(visible, "SQL", replace_query(visible.SQL, sql.replace("p.user_id = %(user_id)s\n", "TRUE\n", 1)))


def replace_query(queries: Any, sql: str) -> Any:
    """The queries with another text of `visible_projects`."""

    class Edited:
        visible_projects = sql

        def __getattr__(self, name: str) -> Any:
            return getattr(queries, name)

    return Edited()


def canary(world: World, caplog: pytest.LogCaptureFixture) -> None:
    fill(world)
    assert [] == seen(world, caplog)


@pytest.mark.ci
@pytest.mark.parametrize(
    ("take_away", "proof"),
    [
        (a_route_has_no_guard, test_isolation.test_every_route_has_the_guard_and_its_scopes),
        (everyone_owns, lambda world: test_isolation.test_a_foreign_project_is_a_missing_one(world, "other tenant")),
        (tokens_reach_all, lambda world: test_isolation.test_a_foreign_project_is_a_missing_one(world, "narrowed")),
        (scopes_are_not_asked, test_isolation.test_each_operation_needs_its_scopes),
        (viewers_write, test_isolation.test_a_viewer_sees_and_changes_nothing),
        (
            any_token_is_valid,
            lambda world: test_isolation.test_without_a_valid_token_nothing_is_told_or_done(world, "unknown"),
        ),
    ],
)
def test_a_proof_sees_that_its_wall_is_gone(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[[pytest.MonkeyPatch, World], None],
    proof: Callable[[World], None],
) -> None:
    """As it is, it passes; without the wall it fails."""
    take_away(monkeypatch, world)
    with pytest.raises(AssertionError):
        proof(world)


@pytest.mark.ci
@pytest.mark.parametrize("take_away", [everyone_owns, lists_have_all_projects])
def test_the_canary_sees_that_a_wall_is_gone(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    take_away: Callable[[pytest.MonkeyPatch, World], None],
) -> None:
    """A guard that lets everyone in, or a query without its user, lets it out."""
    take_away(monkeypatch, world)
    with pytest.raises(AssertionError):
        canary(world, caplog)


@pytest.mark.ci
def test_row_security_is_what_stops_the_matrix_without_a_guard(walled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off, the same calls of the same login show and change what is another's."""
    for table in ("llm_monitoring_projects", *test_wall.WALLED[1:]):
        walled.db.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    with pytest.raises(AssertionError):
        test_wall.test_without_the_guard_the_wall_stands(walled, monkeypatch)
