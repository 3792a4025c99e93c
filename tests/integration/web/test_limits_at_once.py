"""Numbers of things that a user may have, kept when several requests come at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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

OWNER = Actor("person", 1, 1)
ADDRESS = "bea@example.com"
Step = Callable[[Database], Any]


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


def add_project(db: Database, name: str) -> None:
    edits.add_project(db, OWNER, NewProject(1, name, Entity("Zeta"), "software"))


def ask_for_link(db: Database, name: str) -> None:
    if sign_ins.new_link(db, 1, most_open=1) is None:
        raise Invalid("email", name)


KINDS: dict[str, tuple[Any, str, int, Callable[[Database, str], Any]]] = {
    "projects": (limits, "MOST_PROJECTS", 2, add_project),
    "prompts": (limits, "MOST_PROMPTS", 3, lambda db, name: edits.add_prompts(db, OWNER, 1, [NewPrompt(f"¿{name}?")])),
    "tokens": (tokens, "MOST_TOKENS", 1, lambda db, name: tokens.create(db, 1, name, ["figures:read"])),
    "share links": (shares, "MOST_LINKS", 1, lambda db, name: shares.create(db, OWNER, 1, name)),
    "invitations": (
        people,
        "MOST_INVITATIONS",
        1,
        lambda db, name: people.invite_viewer(db, OWNER, 1, f"{name}@example.com"),
    ),
    "sign-in links": (sign_ins, "MOST_OPEN_LINKS", 1, ask_for_link),
    "notes": (
        notes,
        "MOST_NOTES",
        1,
        lambda db, name: notes.add_note(db, 1, date(2026, 11, 1), name, ("person", 1)),
    ),
    "kinds of sites": (
        site_kinds,
        "MOST_SET",
        1,
        lambda db, name: site_kinds.set_kind(db, 1, f"{name}.example", "forum"),
    ),
}


@pytest.mark.short(every=3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_counts_what_is_being_added(database_url: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two requests at once that have room for one, one is refused."""
    module, name, most, add = KINDS[kind]
    monkeypatch.setattr(module, name, most)
    second = run_within(database_url, lambda db: add(db, "one"), lambda db: add(db, "two"))
    assert isinstance(second.exception(), Invalid)


def accept(db: Database) -> int:
    return roles.accept_invitations(db, 2)


def withdraw(db: Database) -> None:
    people.withdraw_invitation(db, OWNER, 1, ADDRESS)


@pytest.mark.parametrize(("first", "second"), [(accept, withdraw), (withdraw, accept)])
def test_an_invitation_that_is_withdrawn_admits_no_one(database_url: str, first: Step, second: Step) -> None:
    """Also when it is accepted at the same time."""
    with Database(database_url) as db:
        people.invite_viewer(db, OWNER, 1, ADDRESS)
        assert run_within(database_url, first, second).exception() is None
        assert [] == roles.viewers(db, 1)


def test_a_note_is_removed_once(database_url: str) -> None:
    """The second of two requests at once finds none, and leaves no record."""
    with Database(database_url) as db:
        added = notes.add_note(db, 1, date(2026, 11, 1), "one", ("person", 1))

    def remove(db: Database) -> None:
        notes.remove_note(db, 1, added.id)

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
