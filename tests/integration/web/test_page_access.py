"""Who may open what: every page of the service, as every kind of visitor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from llm_monitoring.access import roles, shares
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.roles import ProjectRole
from llm_monitoring.web.cookies import SHARE
from llm_monitoring.web.pages.routes import ROUTERS
from llm_monitoring.web.visitor import PERSON, PROJECT_VISITOR, open_project, require_person, require_same_origin
from tests.integration.web.test_isolation import contents, operations
from tests.integration.web.test_isolation import send as call
from tests.integration.web.test_wall import world as walled
from tests.integration.web.world import World, sign_in

__all__ = ["walled"]

# what a visitor opens before we know who it is
PUBLIC: Final = frozenset(
    {
        "/static/{name}",
        "/sign-in",
        "/sign-in/{text}",
        "/hand-off/{text}",
        "/s/{text}",
        "/shared/{share_id}",
        "/oidc",
        "/oidc/callback",
    }
)
CANARY: Final = "canary-of-bea"
ROUTES: Final = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def calls(dependant: Any) -> set[Any]:
    return {dependant.call}.union(*(calls(each) for each in dependant.dependencies), set())


def pages(method: str, *, below_projects: bool) -> Iterator[str]:
    """The paths of pages that need a visitor."""
    for route in ROUTES:
        if (
            method in (route.methods or ())
            and route.path not in PUBLIC
            and ("{project_id}" in route.path) == below_projects
        ):
            yield route.path


def send(world: World, method: str, path: str, cookies: Mapping[str, str] | None, project: int, **options: Any) -> Any:
    """Open a page of a project; each further number in its path is 1, each text one that names nothing."""
    address = re.sub(r"\{[^}]*_id\}", "1", path.replace("{project_id}", str(project)))
    return world.open(re.sub(r"\{[^}]*\}", "x", address), cookies, method, **options)


def share(world: World, project: int, user: int) -> dict[str, str]:
    """The cookie of a live link of a project."""
    secret = shares.create(world.db, Actor("command", user), project, "Acme")[1]
    return {f"__Host-{SHARE}{project}": secret.reveal()}


def test_every_page_has_its_guard() -> None:
    """A new page without it and a turn fails: below a project the project's, elsewhere a person's, or PUBLIC."""
    for route in ROUTES:
        guards = calls(route.dependant)
        if route.path not in PUBLIC:
            below = "{project_id}" in route.path
            assert ({open_project, PROJECT_VISITOR} if below else {require_person, PERSON}) <= guards, route.path
        if not (route.methods or set()) <= {"GET", "HEAD"}:
            assert guards & {open_project, require_person, require_same_origin}, route.path
    assert {route.path for route in ROUTES} >= PUBLIC


@pytest.mark.short(every=3)
@pytest.mark.parametrize("kind", ["anonymous", "unknown", "ended"])
def test_without_a_session_pages_lead_to_the_sign_in(world: World, kind: str) -> None:
    """Every page, and every form is refused; nothing changes."""
    cookies = {} if kind == "anonymous" else {"__Host-llm_session": "a" * 43}
    if kind == "ended":
        cookies = sign_in(world, world.ana)
        world.db.execute("UPDATE llm_sessions SET ended_at = now()")
    before = contents(world)
    for below in (True, False):
        for path in pages("GET", below_projects=below):
            answer = send(world, "GET", path, cookies, world.project)
            assert 303 == answer.status_code, path
            assert "/sign-in" == answer.headers["location"].partition("?")[0], path
        for path in pages("POST", below_projects=below):
            assert 403 == send(world, "POST", path, cookies, world.project).status_code, path
    assert before == contents(world)


def test_a_foreign_project_is_a_missing_one(world: World) -> None:
    """Every page and form gives both the same answer, byte for byte, and changes nothing."""
    cookies = sign_in(world, world.ana)
    before = contents(world)
    for method in ("GET", "POST"):
        for path in pages(method, below_projects=True):
            foreign, missing = (send(world, method, path, cookies, each) for each in (world.foreign, 999_999))
            assert 404 == foreign.status_code, path
            assert missing.content == foreign.content, path
    assert before == contents(world)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("role", ["viewer", "share"])
def test_who_only_looks_changes_nothing(world: World, role: str) -> None:
    """Pages open or are missing, and no form is taken."""
    if role == "share":
        cookies = share(world, world.foreign, world.bea)
    else:
        world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.foreign, "u": world.ana})
        cookies = sign_in(world, world.ana)
    before = contents(world)
    for path in pages("GET", below_projects=True):
        assert send(world, "GET", path, cookies, world.foreign).status_code in (200, 404), path
    for path in pages("POST", below_projects=True):
        assert 404 == send(world, "POST", path, cookies, world.foreign).status_code, path
    assert before == contents(world)
    assert 200 == send(world, "GET", "/projects/{project_id}", cookies, world.foreign).status_code


def test_a_share_opens_no_other_project_and_no_page_of_a_person(world: World) -> None:
    """Not even another project of the same account."""
    cookies = share(world, world.project, world.ana)
    for path in pages("GET", below_projects=True):
        assert 303 == send(world, "GET", path, cookies, world.foreign).status_code, path
        (text,) = cookies.values()
        planted = {f"__Host-{SHARE}{world.foreign}": text}
        assert 404 == send(world, "GET", path, planted, world.foreign).status_code, path
    for path in pages("GET", below_projects=False):
        assert 303 == send(world, "GET", path, cookies, world.foreign).status_code, path


def test_no_cookie_opens_the_api(world: World) -> None:
    """Sessions and share links are none of its callers, whatever the operation: 401, and nothing changes."""
    for cookies in (sign_in(world, world.ana), share(world, world.project, world.ana)):
        sent = "; ".join(f"{name}={text}" for name, text in cookies.items())
        before = contents(world)
        for method, path, _ in operations(world):
            answer = call(world, method, path, None, world.project, Cookie=sent)
            assert 401 == answer.status_code, (method, path)
            for text in cookies.values():
                assert 401 == call(world, method, path, text, world.project).status_code, (method, path)
        assert before == contents(world)


def test_a_form_of_another_site_is_refused(world: World) -> None:
    """Every form, though the session is there."""
    cookies = sign_in(world, world.ana)
    before = contents(world)
    for below in (True, False):
        for path in pages("POST", below_projects=below):
            answer = send(world, "POST", path, cookies, world.project, headers={"Sec-Fetch-Site": "cross-site"})
            assert 403 == answer.status_code, path
    assert before == contents(world)


def test_no_page_holds_anything_of_others(walled: World) -> None:
    """A text in Bea's project is on none of Ana's pages, nor on a shared one; Bea's own show it."""
    marked = {"c": CANARY, "id": walled.foreign}
    walled.db.execute("UPDATE llm_monitoring_projects SET name = %(c)s, brand_name = %(c)s WHERE id = %(id)s", marked)
    for cookies in (sign_in(walled, walled.ana), share(walled, walled.project, walled.ana)):
        for below in (True, False):
            for path in pages("GET", below_projects=below):
                for project in (walled.project, walled.foreign):
                    assert CANARY not in send(walled, "GET", path, cookies, project).text, path
    assert CANARY in walled.open("/", sign_in(walled, walled.bea)).text


def test_without_the_guard_the_wall_stands(walled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row-level security alone keeps Bea's rows from Ana's pages and forms."""
    monkeypatch.setattr(roles, "role_of", lambda *_: ProjectRole("owner", False))
    marked = {"c": CANARY, "id": walled.foreign}
    walled.db.execute("UPDATE llm_monitoring_projects SET name = %(c)s, brand_name = %(c)s WHERE id = %(id)s", marked)
    cookies = sign_in(walled, walled.ana)
    foreign = [str(row) for rows in contents(walled) for row in rows if CANARY in str(row)]
    for method in ("GET", "POST"):
        for path in pages(method, below_projects=True):
            assert CANARY not in send(walled, method, path, cookies, walled.foreign).text, path
    assert foreign == [str(row) for rows in contents(walled) for row in rows if CANARY in str(row)]
