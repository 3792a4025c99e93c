"""`users invite` and `users disable`: who may sign in to the web service's pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_monitoring import projects
from llm_monitoring.access import sessions, sign_ins
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from tests.integration.command_line import Cli

LINK = re.compile(r"^http://127\.0\.0\.1:8000/sign-in/([A-Za-z0-9_-]{43})$", re.MULTILINE)


@pytest.fixture
def db(database_url: str) -> Database:
    return Database(database_url, size=1)


def test_an_invitation_prints_a_link(cli: Cli, db: Database) -> None:
    """Of a new user by address, and another one of a known user by number; each signs in once."""
    shown = [cli.done("users", "invite", user) for user in ("ana@agency.example", "1")]
    (first,), (second,) = map(LINK.findall, shown)
    assert [True, False] == ["User 1 is new: no one had the address ana@agency.example." in text for text in shown]
    with db:
        assert 2 == len({first, second})
        assert all(sign_ins.spend(db, text) for text in (first, second))
        assert sign_ins.spend(db, first) is None


def test_the_link_begins_with_the_services_name(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first name of LLM_WEB_HOST, by https; a service that listens on every address has to have one."""
    monkeypatch.setenv("LLM_WEB_HOST", "ai.example.com, www.example.com")
    assert "https://ai.example.com/sign-in/" in cli.done("users", "invite", "ana@agency.example")
    monkeypatch.setenv("LLM_WEB_HOST", "")
    monkeypatch.setenv("LLM_WEB_BIND", "0.0.0.0")
    refused = cli.run("users", "invite", "1")
    assert 1 == refused.exit_code
    assert "LLM_WEB_HOST" in refused.stderr


def test_a_disabled_user_is_out_until_invited_again(cli: Cli, db: Database) -> None:
    """The sessions end and links open nothing; an invitation undoes it, and the record has every step."""
    (text,) = LINK.findall(cli.done("users", "invite", "ana@agency.example"))
    with db:
        session = sessions.begin(db, 1, "link").reveal()
        assert "1 session ended" in cli.done("users", "disable", "ana@agency.example")
        assert sessions.find(db, session) is None
        assert sign_ins.spend(db, text) is None
        cli.done("users", "invite", "ana@agency.example")
        assert sign_ins.spend(db, text) is not None
        rows = db.all("SELECT action FROM llm_audit_log WHERE actor_kind = 'command' ORDER BY id")
    actions = ["user.add", "person.invite", "person.disable", "session.end", "person.enable"]
    assert actions == [row["action"] for row in rows]


def test_an_agency_has_a_name_and_a_logo(cli: Cli, db: Database, tmp_path: Path) -> None:
    """Set, shown on the report, removed; a file that is no image is refused."""
    cli.done("users", "add", "ana@agency.example")
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n")
    cli.done("agency", "set", "1", "Acme Agency", "--logo", str(logo))
    assert {"name": "Acme Agency", "logo_type": "image/png"} == cli.json("agency", "show", "1")
    with db:
        projects.add(db, projects.NewProject(1, "Quipu", Entity("Quipu"), "software"))
    cli.done("report", "1", "--out", str(tmp_path / "report.html"))
    assert "Acme Agency" in (tmp_path / "report.html").read_text(encoding="utf-8")
    cli.done("agency", "remove", "1")
    assert cli.json("agency", "show", "1") is None
    logo.write_bytes(b"<svg/>")
    assert 2 == cli.run("agency", "set", "1", "Acme", "--logo", str(logo)).exit_code
    logo.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100_000)
    assert "logo.png is larger" in cli.run("agency", "set", "1", "Acme", "--logo", str(logo)).stderr
