"""Analyses on order: placed over the API, asked by another process, closed by whichever run asks their project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from threading import Event, Thread
from typing import Any

import pytest

from llm_monitoring.app import App, open_app
from llm_monitoring.db.locks import SessionLock
from llm_monitoring.runs import order_service
from llm_monitoring.runs.order_service import daily_lock, serve, serve_next
from llm_monitoring.runs.records import AlreadyRunning, RunLock
from llm_monitoring.settings.fields import load_settings
from tests.environment import ONE_SDK, Environment, open_environment
from tests.integration.web.world import World, open_world


@dataclass
class Shop:
    """The service, and the loopback providers of who serves its orders."""

    environment: Environment
    world: World
    app: App
    project: int
    token: str

    def call(self, method: str, suffix: str, **options: Any) -> Any:
        return self.world.call(method, f"/projects/{self.project}{suffix}", self.token, **options)


@pytest.fixture
def shop(database_url: str, quiet: None) -> Iterator[Shop]:
    """A user with two keys and a project of two prompts at two providers."""
    with open_environment(database_url) as environment, open_world(database_url) as world:
        user = environment.add_user("orders@example.com", ONE_SDK)
        project = environment.add_project(user, ["¿Qué programa conviene?", "¿Y para autónomos?"], list(ONE_SDK))
        settings = load_settings(environment.variables({"LLM_LOG_LEVEL": "ERROR"}), dotenv=False)
        object.__setattr__(world.service.settings, "keys_encryption_key", settings.keys_encryption_key)
        with open_app(settings) as app:
            yield Shop(environment, world, app, project, world.token(user))


def test_a_dry_run_says_what_it_would_cost(shop: Shop) -> None:
    """Nothing is ordered, and nothing is spent."""
    found = shop.call("POST", "/analyze?dry_run=true")
    assert 200 == found.status_code
    assert 4 == found.json()["open_calls"]
    assert "open" == found.json()["status"]
    assert Decimal(found.json()["ceiling_usd"]) > 0
    assert [] == shop.call("GET", "/orders").json()["data"]


def test_an_order_is_served_and_shows_its_progress(shop: Shop) -> None:
    """202 with its address; afterwards completed, with what was answered and what it cost."""
    placed = shop.call("POST", "/analyze")
    assert 202 == placed.status_code
    assert "waiting" == placed.json()["status"]
    assert 1 == serve(shop.app, Event(), once=True)
    done = shop.world.http.get(placed.headers["location"], headers={"Authorization": f"Bearer {shop.token}"}).json()
    assert "completed" == done["status"]
    assert 4 == done["answered"]
    assert 0 == done["open"]
    assert Decimal(done["cost_usd"]) > 0
    assert 4 == len(shop.call("GET", "/results").json()["data"])


@pytest.mark.ci
def test_while_one_is_open_there_is_no_second(shop: Shop) -> None:
    """Two requests give one order; once the day is complete nothing is open."""
    first, second = (shop.call("POST", "/analyze").json()["id"] for _ in range(2))
    assert first == second
    serve(shop.app, Event(), once=True)
    again = shop.call("POST", "/analyze")
    assert 200 == again.status_code
    assert "nothing_open" == again.json()["status"]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("trouble", "answer"),
    [
        (
            "UPDATE user_llm_api_keys SET monthly_budget_usd = 0",
            (402, "budget_exhausted", "El presupuesto del mes está gastado"),
        ),
        (
            "UPDATE user_llm_api_keys SET openai_api_key_encrypted = NULL, perplexity_api_key_encrypted = NULL",
            (409, "no_key", "Ningún proveedor tiene una clave utilizable"),
        ),
        ("UPDATE llm_monitoring_projects SET is_active = FALSE", (409, "not_ready", "project {} is paused")),
    ],
)
def test_what_cannot_be_asked_is_refused(shop: Shop, trouble: str, answer: tuple[int, str, str]) -> None:
    """With the reason's code and a sentence, in the reader's language if it has one, and no order is left behind."""
    shop.environment.db.execute(trouble)
    refused = shop.call("POST", "/analyze", headers={"Accept-Language": "es"})
    body = refused.json()
    status, code, detail = answer
    assert (status, code) == (refused.status_code, body["code"])
    assert detail.format(shop.project) == body["detail"]
    assert [] == shop.call("GET", "/orders").json()["data"]


def test_a_daily_run_serves_what_waits(shop: Shop) -> None:
    """The cron asks every project: the order is closed by it."""
    placed = shop.call("POST", "/analyze").json()
    assert 0 == shop.environment.run()[0]
    assert "completed" == shop.call("GET", f"/orders/{placed['id']}").json()["status"]


@pytest.mark.ci
def test_an_order_whose_process_died_is_served_by_the_next(shop: Shop) -> None:
    """What it had begun waits again; what was answered is not asked twice."""
    placed = shop.call("POST", "/analyze").json()
    shop.environment.db.execute("UPDATE llm_analysis_orders SET status = 'running', started_at = now()")
    assert 1 == serve(shop.app, Event(), once=True)
    done = shop.call("GET", f"/orders/{placed['id']}").json()
    assert "completed" == done["status"]
    assert 4 == done["answered"]
    assert 4 == shop.environment.count("llm_call_attempts WHERE kind = 'answer'")


def test_an_order_that_a_stop_cuts_waits_for_the_next_process(shop: Shop) -> None:
    """Its run ends at once; the order is open as before."""
    placed, stop = shop.call("POST", "/analyze").json(), Event()
    stop.set()
    serve_next(shop.app, stop)
    assert "waiting" == shop.call("GET", f"/orders/{placed['id']}").json()["status"]


@pytest.mark.ci
def test_an_order_of_a_day_that_is_over_is_cancelled(shop: Shop) -> None:
    """An answer of today would be none of that day's."""
    placed = shop.call("POST", "/analyze").json()
    shop.environment.db.execute("UPDATE llm_analysis_orders SET day = day - 1")
    assert 0 == serve(shop.app, Event(), once=True)
    found = shop.call("GET", f"/orders/{placed['id']}").json()
    assert "cancelled" == found["status"]
    assert "day_over" == found["reason"]


def test_orders_wait_for_a_daily_run(shop: Shop) -> None:
    """While it holds the lock none is served, and none is lost."""
    placed = shop.call("POST", "/analyze").json()
    with RunLock(shop.app.db):
        assert 0 == serve(shop.app, Event(), once=True)
    assert "waiting" == shop.call("GET", f"/orders/{placed['id']}").json()["status"]


def test_a_daily_run_waits_for_an_order_and_leaves_the_day_to_another_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cron that finds an order at work must not skip its day; one that finds a daily run does."""
    monkeypatch.setattr(order_service, "TURN_SECONDS", 0.01)
    with RunLock(shop.app.db), pytest.raises(AlreadyRunning), daily_lock(shop.app.db, Event()):
        pass
    taken = Event()

    def run_daily() -> None:
        with daily_lock(shop.app.db, Event()):
            taken.set()

    with SessionLock(shop.app.db, order_service.LOCK_KEY) as mark:
        assert mark.take()
        with RunLock(shop.app.db):
            waiting = Thread(target=run_daily)
            waiting.start()
            assert not taken.wait(0.2)
    assert taken.wait(20)
    waiting.join(20)


def test_orders_are_seen_by_their_project_alone(shop: Shop) -> None:
    """Another project of the same service does not have it."""
    placed = shop.call("POST", "/analyze").json()
    assert 404 == shop.world.call("GET", f"/projects/{shop.world.project}/orders/{placed['id']}").status_code


def test_a_viewer_sees_how_far_an_order_is_and_no_cost(shop: Shop) -> None:
    """Neither what it costs at most nor what it has cost."""
    placed = shop.call("POST", "/analyze").json()
    bea = shop.world.texts["bea"]
    shop.environment.db.execute(
        "INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": shop.project, "u": shop.world.bea}
    )
    path = f"/projects/{shop.project}/orders"
    seen = shop.world.call("GET", f"{path}/{placed['id']}", bea).json()
    (row,) = shop.world.call("GET", path, bea).json()["data"]
    assert 4 == seen["open"]
    assert seen["ceiling_usd"] is None
    assert seen["cost_usd"] is None
    assert row["ceiling_usd"] is None
