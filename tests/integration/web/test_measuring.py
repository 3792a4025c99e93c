"""Pages that take longer: each says so at once, and is there when its figures are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Semaphore
from typing import Any

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.figures.periods import PeriodRequest
from llm_monitoring.figures.readings import TooManyStale
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.web.background import Background, InProgress
from llm_monitoring.web.pages import measuring
from llm_monitoring.web.stored_figures import AT_ONCE, FIGURES
from tests.conftest import Databases
from tests.integration.web.test_page_access import share
from tests.integration.web.two_periods import two_periods
from tests.integration.web.world import World, sign_in

PAGES = ("", "/rivals", "/changes")


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    """Two measured periods of a project of Ana."""
    with two_periods(databases) as made:
        yield made


@pytest.fixture
def release(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """The service measures something else until the event is set."""
    monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 0.05)
    event = Event()
    world.service.background.begin("other", lambda: event.wait(30))
    yield event
    event.set()


def settle(world: World, path: str, cookies: dict[str, str]) -> Any:
    """The page once it is there."""
    for _ in range(200):
        found = world.open(path, cookies)
        if found.status_code != 202:
            return found
        Event().wait(0.05)
    raise AssertionError("never measured")


@pytest.mark.short(every=3)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_takes_long_shows_that_it_is_measured(world: World, release: Event, page: str) -> None:
    """It comes again by itself, with script and without, and is the page once the figures are there."""
    path, cookies = f"/projects/{world.project}{page}", sign_in(world, world.ana)
    waiting = world.open(path, cookies)
    assert 202 == waiting.status_code
    assert "no-store" == waiting.headers["cache-control"]
    for each in ("being measured", "1 other task is done before", '<meta http-equiv="refresh"', 'hx-get=""'):
        assert each in waiting.text
    release.set()
    found = settle(world, path, cookies)
    assert 200 == found.status_code
    assert "data-n=" in found.text


def test_a_link_waits_in_the_same_way(world: World, release: Event) -> None:
    """Who has no account sees the same page, and the same figures afterwards."""
    path, cookies = f"/projects/{world.project}", share(world, world.project, world.ana)
    assert 202 == world.open(path, cookies).status_code
    release.set()
    assert 200 == settle(world, path, cookies).status_code


def test_an_error_of_the_measurement_is_the_page_that_follows(
    world: World, release: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would have been without the wait."""

    def refuse(db: Database, wanted: PeriodRequest) -> StoredFigures:
        raise TooManyStale(wanted.project_id)

    monkeypatch.setattr(FIGURES, "measured", refuse)
    path, cookies = f"/projects/{world.project}", sign_in(world, world.ana)
    assert 202 == world.open(path, cookies).status_code
    release.set()
    assert 409 == settle(world, path, cookies).status_code


def test_the_programs_figures_wait_for_no_other_measurement(world: World, release: Event) -> None:
    """The REST API measures within the request."""
    found = world.call("GET", f"/projects/{world.project}/figures")
    assert 200 == found.status_code
    assert not (release.is_set())


def test_all_who_ask_for_the_same_share_one_task() -> None:
    """It runs once; who comes after it was given has a new one."""
    runs: list[int] = []
    with Background() as background:
        hold = Event()

        def work() -> int:
            hold.wait(10)
            runs.append(1)
            return len(runs)

        futures = {background.begin("key", work) for _ in range(5)}
        hold.set()
        assert 1 == background.result("key", work, 10)
        assert 1 == len(futures)
        assert 2 == background.result("key", work, 10)


def test_no_more_is_begun_than_fits() -> None:
    """Whoever comes when all places are taken is asked to come again, and finds a place later."""
    hold = Event()
    with Background(most=2) as background:
        for key in ("first", "second"):
            background.begin(key, lambda: hold.wait(10))
        with pytest.raises(InProgress) as refused:
            background.result("third", lambda: 3, 0)
        assert 2 == refused.value.ahead
        hold.set()
        assert (True, True) == tuple(background.result(key, bool, 10) for key in ("first", "second"))
        assert 3 == background.result("third", lambda: 3, 10)


def test_an_outcome_that_no_one_takes_is_forgotten() -> None:
    """What was measured long ago is given to no one."""
    now = [0.0]
    with Background(clock=lambda: now[0]) as background:
        future = background.begin("key", lambda: "old")
        assert future is not None
        future.result(10)
        background.begin("other", lambda: None)
        now[0] = 7.0
        assert "new" == background.result("key", lambda: "new", 10)


def test_an_error_is_raised_to_who_waits() -> None:
    """And the next one tries again."""
    with Background() as background:
        with pytest.raises(ZeroDivisionError):
            background.result("key", lambda: 1 // 0, 10)
        assert 1 == background.result("key", lambda: 1, 10)


def test_those_who_ask_take_turns() -> None:
    """No one waits for all that another has asked for, and sees so beforehand."""
    begun, hold = Event(), Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        hold.wait(10)

    with Background(most=5) as background:
        background.begin("running", work)
        assert begun.wait(10)
        many = [background.begin(f"many-{n}", partial(done.append, f"many-{n}"), "ana") for n in range(6)]
        last = background.begin("one", partial(done.append, "one"), "bea")
        assert [1, 3, 2] == [background.ahead_of(key) for key in ("many-0", "many-1", "one")]
        hold.set()
        assert last is not None
        last.result(10)
    assert [True] * 5 + [False] == [each is not None for each in many]
    assert ["many-0", "one"] == done[:2]


def test_one_user_leaves_threads_to_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for many measurements at once is asked to come again; what is stored waits for none."""
    path = f"/projects/{world.project}/figures"
    stored = world.call("GET", path)
    hold, begun = Event(), Semaphore(0)

    def slow(db: Database, wanted: PeriodRequest) -> StoredFigures:
        begun.release()
        hold.wait(30)
        raise TooManyStale(wanted.project_id)

    monkeypatch.setattr(FIGURES, "measured", slow)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        days = [{"from": f"2026-11-0{n + 1}", "to": "2026-11-04"} for n in range(AT_ONCE + 1)]
        asked = [threads.submit(world.call, "GET", path, params=each) for each in days[:AT_ONCE]]
        assert all(begun.acquire(timeout=30) for _ in asked)
        refused = world.call("GET", path, params={"from": "2026-11-02", "to": "2026-11-02"})
        again = world.call("GET", path)
        hold.set()
        assert [409] * AT_ONCE == [each.result(30).status_code for each in asked]
    assert 429 == refused.status_code
    assert "10" == refused.headers["retry-after"]
    assert stored.content == again.content
    assert 409 == world.call("GET", path, params=days[0]).status_code
