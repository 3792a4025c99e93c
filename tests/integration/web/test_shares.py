"""Share links: who makes them, what they open, and that they end."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from llm_monitoring.access import agencies
from llm_monitoring.access.audit import Actor
from llm_monitoring.errors import Invalid
from llm_monitoring.reporting.words import load_words
from tests.integration.web.world import World, add_project, sign_in

BROWSER = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def make(world: World, **body: Any) -> Any:
    answer = world.call("POST", f"/projects/{world.project}/shares", json={"label": "Acme", **body})
    assert 201 == answer.status_code, answer.text
    return answer.json()


def opened(world: World, text: str, **headers: str) -> Any:
    return world.open(f"/s/{text}", headers={**BROWSER, **headers})


def cookie_of(answer: Any) -> dict[str, str]:
    name, _, rest = answer.headers["set-cookie"].partition("=")
    return {name: rest.partition(";")[0]}


def test_a_link_opens_its_project(world: World) -> None:
    """The text leaves the address at once; the cookie is for this project, and lasts as long as the link."""
    answer = opened(world, make(world, days=7)["token"])
    assert 303 == answer.status_code
    assert f"/projects/{world.project}" == answer.headers["location"]
    head = answer.headers["set-cookie"]
    assert head.startswith(f"__Host-llm_share_{world.project}=")
    assert all(each in head for each in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    assert "noindex, nofollow" == answer.headers["x-robots-tag"]
    assert "no-referrer" == answer.headers["referrer-policy"]
    page = world.open(answer.headers["location"], cookie_of(answer))
    assert 200 == page.status_code
    assert "Quipu" in page.text


def test_a_link_opens_nothing_else(world: World) -> None:
    """No other project, no page of a person, and nothing over the API."""
    other = add_project(world.db, world.ana, "Other")
    cookies = cookie_of(opened(world, make(world)["token"]))
    (text,) = cookies.values()
    for path in (f"/projects/{other}", f"/projects/{world.foreign}", "/"):
        assert 303 == world.open(path, cookies).status_code
        planted = {f"__Host-llm_share_{number}": text for number in (other, world.foreign)}
        assert world.open(path, planted).status_code in (303, 404)
    assert 401 == world.open(f"/api/llm-monitoring/projects/{world.project}", cookies).status_code
    assert 401 == world.call("GET", "/me", text).status_code


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE llm_share_links SET created_at = now() - interval '9 days', expires_at = now() - interval '1 second'",
        "UPDATE llm_share_links SET revoked_at = now()",
        "UPDATE llm_monitoring_projects SET archived_at = now()",
        "DELETE FROM llm_monitoring_projects",
    ],
)
@pytest.mark.parametrize("kind", ["live", "frozen"])
def test_a_link_that_is_over_is_a_missing_page(world: World, kind: str, sql: str) -> None:
    """Expired, revoked, archived, gone, unknown: the same bytes, and the cookie opens nothing any more."""
    text = make(world, kind=kind)["token"]
    first = opened(world, text)
    world.db.execute(sql)
    unknown, over = opened(world, "a" * 43), opened(world, text)
    assert 404 == over.status_code
    assert unknown.content == over.content
    page = world.open(first.headers["location"], cookie_of(first))
    assert 404 == page.status_code
    assert unknown.content == page.content


def test_a_frozen_link_keeps_its_report(world: World) -> None:
    """Byte for byte, whatever changes later, under the policy of the report itself."""
    first = opened(world, make(world, kind="frozen")["token"])
    before = world.open(first.headers["location"], cookie_of(first))
    world.call("PATCH", f"/projects/{world.project}", json={"brand": {"name": "Renamed"}})
    after = world.open(first.headers["location"], cookie_of(first))
    assert 200 == after.status_code
    assert before.content == after.content
    policy = after.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("frame-ancestors 'none'")
    assert b"Quipu" in after.content
    assert 404 == world.open(first.headers["location"]).status_code


def test_a_frozen_report_gives_no_reason(world: World) -> None:
    """That answers are missing, not that the budget was spent or a key refused."""
    world.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks SELECT project_id, id, 'openai', current_date, 1, NULL, 'budget', 'x',"
        " FALSE FROM llm_monitoring_queries WHERE project_id = %(id)s",
        {"id": world.project},
    )
    first = opened(world, make(world, kind="frozen")["token"])
    page = world.open(first.headers["location"], cookie_of(first)).text
    words = load_words("es")
    assert words.reason("budget") not in page
    assert words.reason("withheld") in page


def test_a_frozen_link_opens_no_live_page(world: World) -> None:
    """Its text in the cookie of a live one is none."""
    (text,) = cookie_of(opened(world, make(world, kind="frozen")["token"])).values()
    planted = {f"__Host-llm_share_{world.project}": text}
    assert 404 == world.open(f"/projects/{world.project}", planted).status_code


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("headers", "opens"),
    [
        ({}, 1),
        ({"Sec-Fetch-Mode": "no-cors"}, 0),
        ({"Sec-Fetch-Mode": ""}, 0),
        ({"Sec-Purpose": "prefetch;prerender"}, 0),
    ],
)
def test_openings_by_people_are_counted(world: World, headers: dict[str, str], opens: int) -> None:
    """A program that fetches a preview, and a browser ahead of a click, do not count."""
    opened(world, make(world)["token"], **headers)
    (row,) = world.call("GET", f"/projects/{world.project}/shares").json()["data"]
    assert opens == row["opens"]
    assert (opens == 1) == (row["last_opened_at"] is not None)


def test_the_text_is_shown_once(world: World) -> None:
    """To who makes it, with the service's own address; no list and no column holds it."""
    made = make(world)
    assert f"https://testserver/s/{made['token']}" == made["url"]
    assert made["token"] not in world.call("GET", f"/projects/{world.project}/shares").text
    rows = world.db.all(
        "SELECT s.*::text AS row FROM llm_share_links s UNION ALL SELECT a.*::text FROM llm_audit_log a"
    )
    assert made["token"] not in str(rows)


def test_a_link_is_revoked(world: World) -> None:
    """Once; its state is in the list and both steps in the record."""
    made = make(world)
    path = f"/projects/{world.project}/shares"
    assert 204 == world.call("DELETE", f"{path}/{made['id']}").status_code
    assert 404 == world.call("DELETE", f"{path}/{made['id']}").status_code
    (row,) = world.call("GET", path).json()["data"]
    assert "revoked" == row["state"]
    actions = [row["action"] for row in world.call("GET", "/audit").json()["data"]]
    assert ["share.revoke", "share.create"] == actions[:2]


def test_a_person_goes_before_a_link(world: World) -> None:
    """Who owns the project is its owner, though the browser has a link too."""
    cookies = {**cookie_of(opened(world, make(world)["token"])), **sign_in(world, world.ana)}
    world.db.execute("UPDATE llm_share_links SET revoked_at = now()")
    assert 200 == world.open(f"/projects/{world.project}", cookies).status_code


def test_shared_pages_carry_the_agencys_name(world: World) -> None:
    """And its logo, on live pages and on reports; its text stays text."""
    body = {"name": "<b>Acme & Co</b>", "logo": b64encode(PNG).decode()}
    assert "image/png" == world.call("PUT", "/agency", json=body).json()["logo_type"]
    for kind in ("live", "frozen"):
        answer = opened(world, make(world, kind=kind)["token"])
        page = world.open(answer.headers["location"], cookie_of(answer)).text
        assert "&lt;b&gt;Acme &amp; Co&lt;/b&gt;" in page
        assert f"data:image/png;base64,{b64encode(PNG).decode()}" in page
    assert 204 == world.call("DELETE", "/agency").status_code
    assert 404 == world.call("GET", "/agency").status_code


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "logo",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        b"GIF89a",
        b"",
        b"RIFF1234WAVE",
        b"\x89PNG\r\n\x1a\n" + b"\0" * agencies.MOST_BYTES,
    ],
)
def test_a_logo_is_a_small_image(world: World, logo: bytes) -> None:
    """By its own bytes, whatever someone says that it is; an SVG may carry script."""
    with pytest.raises(Invalid):
        agencies.set_agency(world.db, Actor("command", world.ana), "Acme", logo)
    body = {"name": "Acme", "logo": b64encode(logo).decode()}
    assert 422 == world.call("PUT", "/agency", json=body).status_code


def test_a_link_ends(world: World) -> None:
    """After thirty days unless another number is given, after a year at most."""
    (row,) = [make(world)]
    assert "open" == row["state"]
    days = world.db.one("SELECT expires_at - created_at AS open FROM llm_share_links")
    assert days is not None
    assert timedelta(days=30) == days["open"]
    assert 422 == world.call("POST", f"/projects/{world.project}/shares", json={"label": "x", "days": 366}).status_code


def test_no_line_of_the_log_has_a_link(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Paths are logged as they are declared."""
    caplog.set_level("INFO")
    text = make(world)["token"]
    opened(world, text)
    logged = str([vars(each) for each in caplog.records if each.name != "httpx2"])
    assert "/s/{text}" in logged
    assert text not in logged
