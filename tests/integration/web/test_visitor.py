"""Who opens a page: sessions, roles, share links, and forms that another site sends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Event
from typing import Annotated, Any, cast

import pytest
from fastapi import APIRouter, FastAPI

from llm_monitoring.access import sessions, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.web.context import CONNECTIONS, Service
from llm_monitoring.web.service import create_app
from llm_monitoring.web.visitor import ProjectVisitor, Visitor, on_page, own_path, signed_in
from tests.integration.web.world import World, open_world, sign_in

PAGES = APIRouter()
MAY_END = Event()


@PAGES.get("/test/me")
def show_me(visitor: Annotated[Visitor, signed_in()]) -> Any:
    return {"user": visitor.user_id}


@PAGES.post("/test/me")
def change_me(visitor: Annotated[Visitor, signed_in()]) -> Any:
    return {"user": visitor.user_id}


@PAGES.get("/test/projects/{project_id}")
def show_project(here: Annotated[ProjectVisitor, on_page("figures:read")]) -> Any:
    return {"role": here.role}


@PAGES.get("/test/projects/{project_id}/budget")
def show_budget(here: Annotated[ProjectVisitor, on_page("budget:read")]) -> Any:
    return {"role": here.role}


@PAGES.get("/test/slow")
def show_slowly(visitor: Annotated[Visitor, signed_in()]) -> Any:
    return {"ended": MAY_END.wait(60.0)}


@cache
def application() -> FastAPI:
    """The application with these pages; the world brings its service."""
    app = create_app(cast(Service, None))
    app.include_router(PAGES)
    return app


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a few small pages."""
    with open_world(database_url, None, application()) as made:
        yield made


def test_a_session_opens_pages(world: World) -> None:
    """With its cookie they are the person's; the cookie is stored as a hash."""
    cookies = sign_in(world, world.ana)
    assert {"user": world.ana} == world.open("/test/me", cookies).json()
    assert {"role": "owner"} == world.open(f"/test/projects/{world.project}", cookies).json()
    (text,) = cookies.values()
    assert text not in str(world.db.all("SELECT s.*::text AS row FROM llm_sessions s"))


def test_without_a_session_a_page_leads_to_the_sign_in(world: World) -> None:
    """And back to where the visitor wanted to go; a form is refused."""
    answer = world.open("/test/me?lang=es")
    assert 303 == answer.status_code
    assert "/sign-in?next=/test/me%3Flang%3Des" == answer.headers["location"]
    assert 403 == world.open("/test/me", method="POST").status_code


def test_a_project_of_others_is_a_missing_one(world: World) -> None:
    """The same answer, byte for byte."""
    cookies = sign_in(world, world.ana)
    foreign, missing = (world.open(f"/test/projects/{each}", cookies) for each in (world.foreign, 999_999))
    assert 404 == foreign.status_code
    assert missing.content == foreign.content


def test_a_viewer_sees_no_budget(world: World) -> None:
    """A page for owners is a missing one for a viewer of the project."""
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.foreign, "u": world.ana})
    cookies = sign_in(world, world.ana)
    assert {"role": "viewer"} == world.open(f"/test/projects/{world.foreign}", cookies).json()
    assert 404 == world.open(f"/test/projects/{world.foreign}/budget", cookies).status_code
    assert 200 == world.open(f"/test/projects/{world.project}/budget", cookies).status_code


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE llm_sessions SET last_used_at = now() - interval '12 hours 1 second'",
        "UPDATE llm_sessions SET created_at = now() - interval '31 days', expires_at = now() - interval '1 second'",
        "UPDATE llm_sessions SET ended_at = now()",
        "DELETE FROM users WHERE email = 'ana@example.com'",
    ],
)
def test_a_session_ends(world: World, sql: str) -> None:
    """Idle for 12 hours, after 30 days, ended by hand, and with its user."""
    cookies = sign_in(world, world.ana)
    world.db.execute(sql)
    assert 303 == world.open("/test/me", cookies).status_code


def test_a_disabled_user_has_no_session(world: World) -> None:
    """Open ones end, and one that began meanwhile opens nothing."""
    cookies = sign_in(world, world.ana)
    assert 1 == sign_ins.disable(world.db, Actor("command", world.ana))
    late = sessions.begin(world.db, world.ana, "link").reveal()
    assert 303 == world.open("/test/me", cookies).status_code
    assert 303 == world.open("/test/me", {"__Host-llm_session": late}).status_code


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "none", "Origin": "https://testserver"}, 200),
        ({"Sec-Fetch-Site": "none", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "none", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://testserver"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "https://testserver"}, 200),
        ({"Sec-Fetch-Site": "", "Origin": "https://testserver.evil.example"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(world: World, headers: dict[str, str], status: int) -> None:
    """The browser says where it comes from; an old one says its origin; one that says nothing is refused."""
    sent = world.open("/test/me", sign_in(world, world.ana), "POST", headers=headers)
    assert status == sent.status_code


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/x-www-form-urlencoded", 200), ("multipart/form-data; boundary=x", 415), ("application/json", 415)],
)
def test_pages_take_forms_alone(world: World, kind: str, status: int) -> None:
    """And no upload; the API takes no form."""
    headers = {"Content-Type": kind}
    assert (
        status == world.open("/test/me", sign_in(world, world.ana), "POST", content=b"a=1", headers=headers).status_code
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert 415 == world.call("POST", "/projects", content=b"a=1", headers=form).status_code


def test_a_session_is_no_token(world: World) -> None:
    """The API answers to tokens alone: no form of another site reaches it by a cookie."""
    assert 401 == world.open("/api/llm-monitoring/me", sign_in(world, world.ana)).status_code


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "evil",
        "",
        "/a\r\nSet-Cookie: x=1",
    ],
)
def test_after_the_sign_in_only_our_own_paths_follow(path: str) -> None:
    """Anything that could lead elsewhere becomes the first page."""
    assert "/" == own_path(path)


def test_a_path_of_ours_is_kept() -> None:
    """With its query."""
    assert "/projects/1/answers?from=2026-11-01" == own_path("/projects/1/answers?from=2026-11-01")


def test_without_an_address_no_one_signs_in(database_url: str) -> None:
    """A service on every address that has no name says what it lacks, and spends no link."""
    with open_world(database_url, LLM_WEB_HOST="", LLM_WEB_BIND="0.0.0.0") as world:
        text = sign_ins.new_link(world.db, world.ana)
        assert text is not None
        answer = world.open(f"/sign-in/{text.reveal()}", method="POST")
        assert 503 == answer.status_code
        assert "LLM_WEB_HOST" in answer.text
        assert sign_ins.person_of_link(world.db, text.reveal()) is not None


def test_a_service_of_this_machine_takes_no_proxy(database_url: str) -> None:
    """Its cookies are plain ones, so that what came by https elsewhere begins nothing."""
    with open_world(database_url, LLM_WEB_HOST="", PORT="8000") as world:
        text = sign_ins.new_link(world.db, world.ana)
        assert text is not None
        path, home = f"/sign-in/{text.reveal()}", {"Host": "127.0.0.1:8000"}
        for sent in (
            {"Host": "ai.example.com"},
            {**home, "X-Forwarded-Proto": "https"},
            {**home, "Forwarded": "for=x"},
        ):
            assert 503 == world.open(path, method="POST", headers=sent).status_code, sent
        answer = world.open(path, method="POST", headers=home)
        assert 303 == answer.status_code
        assert answer.headers["set-cookie"].startswith("llm_session=")


def test_slow_pages_of_a_user_keep_no_other_waiting(world: World) -> None:
    """As many as there are handler threads wait for their turns without a thread, and are answered later."""
    slow, quick = (cookie_header(sign_in(world, user)) for user in (world.ana, world.bea))
    MAY_END.clear()
    with ThreadPoolExecutor(CONNECTIONS + 2) as pool:
        try:
            pages = [pool.submit(world.http.get, "/test/slow", headers=slow) for _ in range(CONNECTIONS + 1)]
            await_present(world, CONNECTIONS + 1)
            other = pool.submit(world.http.get, "/test/me", headers=quick).result(timeout=30)
        finally:
            MAY_END.set()
    assert {"user": world.bea} == other.json()
    assert {200} == {page.result().status_code for page in pages}


def cookie_header(cookies: Mapping[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={text}" for name, text in cookies.items())}


def await_present(world: World, number: int) -> None:
    """Wait until that many requests of Ana were recognised."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        line = world.service.turns.lines.get(world.ana)
        if line is not None and line.present == number:
            return
        time.sleep(0.01)
    raise AssertionError("too few requests came")
