"""Reading stored answers again, on its page and over the API: offered after names changed, done by the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from llm_monitoring.access.roles import add_viewer
from llm_monitoring.answers import reanalysis, reanalysis_jobs
from llm_monitoring.answers.reanalysis import ReanalysisLock
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.test_page_access import share
from tests.integration.web.two_periods import two_periods
from tests.integration.web.world import World, sign_in

STALE = "stored answers were read with former names"


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    """Two measured periods of a project of Ana."""
    with two_periods(databases) as made:
        yield made


@pytest.fixture
def renamed(world: World) -> Iterator[World]:
    """Ana's brand has got an alias after its answers were stored, and the service does jobs."""
    Book(world.db, world.project).rename(brand_aliases=["Kipu"])
    with world.service.reanalysis.working():
        yield world


@contextmanager
def held(world: World) -> Iterator[None]:
    """The project's reanalysis is at work elsewhere, so that jobs stay as they are."""
    with ReanalysisLock(world.db, world.project):
        yield


def page(world: World, suffix: str = "/reanalysis", user: int | None = None) -> Any:
    cookies = sign_in(world, user or world.ana)
    return world.open(f"/projects/{world.project}{suffix}", cookies, headers={"Accept-Language": "en"})


def post(world: World, suffix: str = "/reanalysis", **data: str) -> Any:
    return world.open(f"/projects/{world.project}{suffix}", sign_in(world, world.ana), "POST", data=data)


def job(world: World) -> reanalysis_jobs.ReanalysisJob:
    found = reanalysis_jobs.latest(world.db, world.project)
    assert found is not None
    return found


def settled(world: World) -> reanalysis_jobs.ReanalysisJob:
    """The job once the service has done it."""
    for _ in range(400):
        if not job(world).is_open:
            return job(world)
        Event().wait(0.05)
    raise AssertionError(f"never done: {job(world)}")


def actions(world: World) -> list[tuple[str, str]]:
    rows = world.db.all("SELECT action, actor_kind FROM llm_audit_log WHERE project_id = %(p)s ORDER BY id", p(world))
    return [(row["action"], row["actor_kind"]) for row in rows]


def p(world: World) -> dict[str, int]:
    return {"p": world.project}


def test_a_change_of_names_offers_to_read_again(world: World) -> None:
    """On the settings and on the inbox of names, for the owner; while nothing is stale nothing is said."""
    before = [STALE in page(world, suffix).text for suffix in ("/settings", "/names")]
    fields = {"edit": "brand", "name": "Quipu", "aliases": "Kipu", "domains": "getquipu.com", "act": "save"}
    changed = post(world, "/settings/names", **fields)
    after = world.open(changed.headers["location"], sign_in(world, world.ana), headers={"Accept-Language": "en"}).text
    assert [False, False] == before
    assert STALE in after
    assert f'href="/projects/{world.project}/reanalysis"' in after
    add_viewer(world.db, world.project, world.bea)
    assert [True, False] == [STALE in page(world, "/names", user).text for user in (world.ana, world.bea)]


def test_a_name_that_is_accepted_offers_it_too(renamed: World) -> None:
    """The inbox of names leads back to itself, with the offer."""
    post(renamed, "/names/accept", name="Zetaflux")
    assert STALE in page(renamed, "/names").text


def test_the_page_says_what_it_touches_and_that_it_is_free(renamed: World) -> None:
    """How many answers of which days; the preview on demand, over the latest answers."""
    text, previewed = page(renamed).text, page(renamed, "/reanalysis?preview=on").text
    count = renamed.call("GET", f"/projects/{renamed.project}/reanalysis").json()["stale_answers"]
    for each in (f"{count} {STALE}", "it costs nothing", f"Read the {count} stored answers again", "?preview=on"):
        assert each in text
    assert "of them; now in" not in text
    assert "of them; now in" in previewed


def test_the_service_reads_them_again(renamed: World) -> None:
    """Started on the page, done in the background, recorded; afterwards nothing is stale and the page says so."""
    started = post(renamed)
    assert 303 == started.status_code
    assert f"/projects/{renamed.project}/reanalysis" == started.headers["location"]
    done = settled(renamed)
    assert "completed" == done.status
    assert done.reason is None
    assert done.answers == done.done
    assert [("reanalysis.start", "person")] == actions(renamed)
    text = page(renamed).text
    assert "All stored answers are read with the present names" in text
    assert STALE not in page(renamed, "/settings").text
    assert 0 == renamed.db.all("SELECT count(*) AS n FROM llm_call_attempts")[0]["n"]


@pytest.mark.ci
def test_progress_is_shown_and_survives_a_reload(renamed: World) -> None:
    """With script and without: the page asks again by itself while a job is open, and stops afterwards."""
    with held(renamed):
        post(renamed)
        renamed.db.execute("UPDATE llm_reanalysis_jobs SET status = 'running', started_at = now(), done = 3")
        for text in (page(renamed).text, page(renamed).text):
            for each in ('value="3"', "3 of", 'hx-trigger="load delay:2s"', '<meta http-equiv="refresh"'):
                assert each in text
        assert "3 of" in page(renamed, "/settings").text
    renamed.service.reanalysis.wake.set()
    settled(renamed)
    assert "hx-get" not in page(renamed).text
    assert "refresh" not in page(renamed).text


def test_it_can_be_stopped(renamed: World) -> None:
    """By its owner, with a record; a number of another project's job is a missing one."""
    with held(renamed):
        post(renamed)
        number = str(job(renamed).id)
        assert [404, 404] == [post(renamed, "/reanalysis/stop", job=each).status_code for each in ("999", "x")]
        assert 303 == post(renamed, "/reanalysis/stop", job=number).status_code
    assert "cancelled" == job(renamed).status
    assert [("reanalysis.start", "person"), ("reanalysis.stop", "person")] == actions(renamed)
    assert "Stopped on" in page(renamed).text


def test_it_is_the_owners(renamed: World) -> None:
    """A viewer and a link have no such page, and start nothing."""
    add_viewer(renamed.db, renamed.project, renamed.bea)
    path = f"/projects/{renamed.project}/reanalysis"
    link = share(renamed, renamed.project, renamed.ana)
    for cookies in (sign_in(renamed, renamed.bea), link):
        assert [404, 404] == [renamed.open(path, cookies, method).status_code for method in ("GET", "POST")]
    bea = renamed.texts["bea"]
    assert 404 == renamed.call("POST", f"{path}", bea).status_code
    assert STALE not in renamed.open(f"/projects/{renamed.project}", link).text
    assert None is reanalysis_jobs.latest(renamed.db, renamed.project)


def test_a_program_starts_it_and_follows_it(renamed: World) -> None:
    """202 with the job's address, one open job at a time, its progress, 200 when nothing is stale."""
    path = f"/projects/{renamed.project}/reanalysis"
    with held(renamed):
        first, second = (renamed.call("POST", path) for _ in range(2))
        assert 202 == first.status_code
        assert first.json()["id"] == second.json()["id"]
        found = renamed.http.get(
            first.headers["location"], headers={"Authorization": f"Bearer {renamed.texts['ana']}"}
        ).json()
        assert "waiting" == found["status"]
        assert 0 == found["done"]
    renamed.service.reanalysis.wake.set()
    settled(renamed)
    state = renamed.call("GET", path).json()
    assert 0 == state["stale_answers"]
    assert 0 == state["days"]
    assert state["from"] is None
    assert "completed" == state["job"]["status"]
    again = renamed.call("POST", path)
    assert 200 == again.status_code
    assert 0 == again.json()["stale_answers"]
    assert [("reanalysis.start", "token")] == actions(renamed)


def test_a_program_stops_it(renamed: World) -> None:
    """204, also once it is over; a job that is not there is a 404."""
    path = f"/projects/{renamed.project}/reanalysis"
    with held(renamed):
        number = renamed.call("POST", path).json()["id"]
        codes = [renamed.call("DELETE", f"{path}/{each}").status_code for each in (number, number, 999)]
    assert [204, 204, 404] == codes
    assert "cancelled" == job(renamed).status


def test_a_token_that_only_reads_starts_none(renamed: World) -> None:
    """It follows a job and changes nothing."""
    token = renamed.token(renamed.ana, ["projects:read"])
    path = f"/projects/{renamed.project}/reanalysis"
    codes = [renamed.call(method, path, token).status_code for method in ("GET", "POST")]
    assert [200, 403] == codes


@pytest.mark.ci
def test_a_job_of_before_a_restart_is_done_by_the_service(renamed: World) -> None:
    """No one has to ask again: the service looks for open jobs by itself."""
    plan = reanalysis.plan(renamed.db, renamed.project)
    reanalysis_jobs.place(renamed.db, renamed.project, renamed.ana, plan)
    renamed.db.execute("UPDATE llm_reanalysis_jobs SET status = 'running', started_at = now()")
    assert "completed" == settled(renamed).status
