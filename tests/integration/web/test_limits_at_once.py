"""Numbers of things that a user may have, kept when several requests come at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from fastapi import FastAPI

from llm_monitoring import edits
from llm_monitoring.access import people, roles, shares, sign_ins, tokens
from llm_monitoring.access.audit import Actor
from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database, in_transaction
from llm_monitoring.edits import limits
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects import NewProject, NewPrompt, notes, site_kinds
from llm_monitoring.web import document

ADDRESS = "bea@example.com"
Step = Callable[[Database], Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Ana's project, and whom she invites."""

    owner: Actor
    project: int
    viewer: int


@pytest.fixture
def place(database_url: str) -> Place:
    """The place of a fresh database."""
    with Database(database_url) as db:
        (ana, project), (bea, _) = (
            (row["user_id"], row["id"])
            for row in db.all("SELECT user_id, id FROM llm_monitoring_projects ORDER BY id LIMIT 2")
        )
    return Place(Actor("person", ana, 1), project, bea)


def run_within(url: str, first: Step, second: Step) -> Future[Any]:
    """Do `second` while the transaction of `first` is open; its future, which is done."""
    with Database(url, size=3) as db, ThreadPoolExecutor(1) as pool:

        def work(inner: Database) -> Future[Any]:
            first(inner)
            started = pool.submit(in_transaction, db, second)
            while not started.done() and not db.all("SELECT FROM pg_locks WHERE NOT granted"):
                time.sleep(0.002)
            return started

        found = in_transaction(db, work)
        found.exception(timeout=30)
        return found


def add_project(db: Database, at: Place, name: str) -> None:
    edits.add_project(db, at.owner, NewProject(at.owner.user_id, name, Entity("Zeta"), "software"))


def add_prompt(db: Database, at: Place, name: str) -> None:
    edits.add_prompts(db, at.owner, at.project, [NewPrompt(f"¿{name}?")])


def add_token(db: Database, at: Place, name: str) -> None:
    tokens.create(db, at.owner.user_id, name, ["figures:read"])


def share(db: Database, at: Place, name: str) -> None:
    shares.create(db, at.owner, at.project, name)


def invite(db: Database, at: Place, name: str) -> None:
    people.invite_viewer(db, at.owner, at.project, f"{name}@example.com")


def ask_for_link(db: Database, at: Place, name: str) -> None:
    if sign_ins.new_link(db, at.owner.user_id, most_open=sign_ins.MOST_OPEN_LINKS) is None:
        raise Invalid("email", name)


def add_note(db: Database, at: Place, name: str) -> None:
    notes.add_note(db, at.project, date(2026, 11, 1), name, ("person", at.owner.user_id))


def set_kind(db: Database, at: Place, name: str) -> None:
    site_kinds.set_kind(db, at.project, f"{name}.example", "forum")


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("module", "limit", "most", "add"),
    [
        (limits, "MOST_PROJECTS", 2, add_project),
        (limits, "MOST_PROMPTS", 3, add_prompt),
        (tokens, "MOST_TOKENS", 1, add_token),
        (shares, "MOST_LINKS", 1, share),
        (people, "MOST_INVITATIONS", 1, invite),
        (sign_ins, "MOST_OPEN_LINKS", 1, ask_for_link),
        (notes, "MOST_NOTES", 1, add_note),
        (site_kinds, "MOST_SET", 1, set_kind),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_limit_counts_what_is_being_added(
    database_url: str,
    place: Place,
    module: Any,
    limit: str,
    most: int,
    add: Callable[[Database, Place, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two requests at once that have room for one, one is refused."""
    monkeypatch.setattr(module, limit, most)
    second = run_within(database_url, lambda db: add(db, place, "one"), lambda db: add(db, place, "two"))
    assert isinstance(second.exception(), Invalid)


@pytest.mark.parametrize("is_accepted_first", [True, False])
def test_an_invitation_that_is_withdrawn_admits_no_one(
    database_url: str, place: Place, *, is_accepted_first: bool
) -> None:
    """Also when it is accepted at the same time."""

    def accept(db: Database) -> None:
        roles.accept_invitations(db, place.viewer)

    def withdraw(db: Database) -> None:
        people.withdraw_invitation(db, place.owner, place.project, ADDRESS)

    steps = (accept, withdraw) if is_accepted_first else (withdraw, accept)
    with Database(database_url) as db:
        people.invite_viewer(db, place.owner, place.project, ADDRESS)
        assert run_within(database_url, *steps).exception() is None
        assert [] == roles.viewers(db, place.project)


def test_a_note_is_removed_once(database_url: str, place: Place) -> None:
    """The second of two requests at once finds none, and leaves no record."""
    with Database(database_url) as db:
        added = notes.add_note(db, place.project, date(2026, 11, 1), "one", ("person", place.owner.user_id))

    def remove(db: Database) -> None:
        notes.remove_note(db, place.project, added.id)

    assert isinstance(run_within(database_url, remove, remove).exception(), NotFound)


def test_the_document_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first of several requests: the framework cannot make it in two threads at once."""
    made: list[int] = []

    def get_openapi(**options: Any) -> dict[str, Any]:
        made.append(1)
        time.sleep(0.01)
        return {"paths": {}, "components": {"schemas": {}}}

    monkeypatch.setattr(document, "get_openapi", get_openapi)
    app, gate = FastAPI(), Barrier(4)

    def ask(_: int) -> None:
        gate.wait()
        document.document(app)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert [1] == made
