"""Orders through kills of both sides, two processes at once, and projects that change while their order waits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from threading import Event, Thread
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.access import requests
from llm_monitoring.access.projects import archive
from llm_monitoring.failpoints import Point
from llm_monitoring.runs.daily import run_day
from llm_monitoring.runs.order_service import serve
from tests.fork_server import Halt
from tests.integration.web.test_orders import Shop, shop

__all__ = ["shop"]

KEY = {"Idempotency-Key": "order-of-monday"}


def state(shop: Shop, order: int) -> tuple[str, str | None]:
    found = shop.call("GET", f"/orders/{order}").json()
    return found["status"], found["reason"]


def charged(shop: Shop) -> Decimal:
    (row,) = shop.environment.rows(
        f"SELECT sum(charged_usd) AS usd FROM llm_call_attempts WHERE project_id = {shop.project}"
    )
    return Decimal(row["usd"] or 0)


POINTS: tuple[Point, ...] = ("run_opened", "reserved", "sent", "receipt_kept", "settled", "snapshot", "finishing")


@pytest.mark.ci
@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("sent", 2),
        ("finished", 1),
        *(pytest.param(each, nth, marks=pytest.mark.long) for each in POINTS for nth in (1, 2)),
    ],
)
def test_an_order_whose_process_is_killed_is_taken_up_again(shop: Shop, point: Point, nth: int) -> None:
    """Every answer once; the order costs what the ledger has, the call included that the kill left in doubt."""
    placed = shop.call("POST", "/analyze").json()
    options = {"LLM_MAX_WORKERS": "1", "LLM_LOG_LEVEL": "ERROR"}
    child = shop.environment.start("orders", "--once", extra=options, program="command", halt=Halt(point, nth))
    killed = child.wait() == -9
    assert killed or nth > 1, child.said()
    if killed:
        assert "running" == state(shop, placed["id"])[0]
    while shop.app.db.one("SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory'"):
        Event().wait(0.02)  # the lock of a dead process lives as long as its last statement
    serve(shop.app, Event(), once=True)
    done = shop.call("GET", f"/orders/{placed['id']}").json()
    assert ("completed", None, 4, 0) == tuple(done[name] for name in ("status", "reason", "answered", "open"))
    assert 4 == shop.environment.count("llm_monitoring_results")
    assert charged(shop) == Decimal(done["cost_usd"]) == shop.environment.spent(projects_user(shop))
    assert [] == shop.app.budget.differences()
    assert 0 == shop.environment.count("llm_call_attempts WHERE state IN ('reserved', 'sent')")


def projects_user(shop: Shop) -> int:
    user = projects.find(shop.app.db, shop.project).user_id
    assert user is not None
    return user


@pytest.mark.ci
def test_two_processes_serve_an_order_once(shop: Shop) -> None:
    """Each call is made once, whoever makes it; the other one finds nothing, or waits for its next look."""
    placed = shop.call("POST", "/analyze").json()
    threads = [Thread(target=serve, args=(shop.app, Event()), kwargs={"once": True}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ("completed", None) == state(shop, placed["id"])
    assert 4 == shop.environment.count("llm_call_attempts WHERE kind = 'answer'")
    assert 1 == shop.environment.count("llm_monitoring_analysis_runs")


@pytest.mark.ci
def test_a_daily_run_at_the_same_moment_asks_nothing_twice(shop: Shop) -> None:
    """It waits for the order's run, or serves the order itself."""
    placed = shop.call("POST", "/analyze").json()
    child = shop.environment.start(extra={"LLM_LOG_LEVEL": "ERROR"})
    serve(shop.app, Event(), once=True)
    assert 0 == child.wait(), child.said()
    assert ("completed", None) == state(shop, placed["id"])
    assert 4 == shop.environment.count("llm_call_attempts WHERE kind = 'answer'")


def pause(shop: Shop) -> None:
    projects.set_active(shop.app.db, shop.project, is_active=False)


def archive_it(shop: Shop) -> None:
    archive(shop.app.db, shop.project)


def remove_keys(shop: Shop) -> None:
    shop.environment.db.execute(
        "UPDATE user_llm_api_keys SET openai_api_key_encrypted = NULL, perplexity_api_key_encrypted = NULL"
    )


def spend_budget(shop: Shop) -> None:
    shop.environment.db.execute("UPDATE user_llm_api_keys SET monthly_budget_usd = 0")


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("change", "end"),
    [
        (pause, ("cancelled", "paused")),
        (archive_it, ("cancelled", "paused")),
        (remove_keys, ("failed", "no_keys")),
        (spend_budget, ("failed", "blocked")),
    ],
)
def test_what_changes_while_an_order_waits_ends_it(
    shop: Shop, change: Callable[[Shop], None], end: tuple[str, str]
) -> None:
    """With a reason, and at once: it is not begun again and again."""
    placed = shop.call("POST", "/analyze").json()
    change(shop)
    assert 2 > serve(shop.app, Event(), once=True)
    assert end == state(shop, placed["id"])
    assert 0 == shop.environment.count("llm_call_attempts WHERE kind = 'answer'")


@pytest.mark.ci
def test_a_project_that_is_paused_under_its_order_ends_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the beginning of the order and that of its run."""
    placed = shop.call("POST", "/analyze").json()

    def paused_before(*arguments: Any, **options: Any) -> Any:
        pause(shop)
        return run_day(*arguments, **options)

    monkeypatch.setattr("llm_monitoring.runs.order_service.run_day", paused_before)
    assert 1 == serve(shop.app, Event(), once=True)
    assert ("failed", "not_asked") == state(shop, placed["id"])


@pytest.mark.short(every=2)
@pytest.mark.parametrize("what", ["project", "user"])
def test_an_order_goes_with_its_project(shop: Shop, what: str) -> None:
    """Deleted while it waits, it leaves nothing behind that would be asked."""
    shop.call("POST", "/analyze")
    if what == "user":
        projects.remove_user(shop.app.db, projects_user(shop))
    else:
        projects.remove(shop.app.db, shop.project)
    assert 0 == serve(shop.app, Event(), once=True)
    assert 0 == shop.environment.count("llm_analysis_orders")


@pytest.mark.ci
def test_a_lost_answer_orders_once(shop: Shop) -> None:
    """The same key gives the same order, also after it is done; without a key the open one is found."""
    first, again = (shop.call("POST", "/analyze", headers=KEY) for _ in range(2))
    assert 202 == again.status_code
    assert first.json() == again.json()
    assert first.json()["id"] == shop.call("POST", "/analyze").json()["id"]
    serve(shop.app, Event(), once=True)
    late = shop.call("POST", "/analyze", headers=KEY)
    assert 202 == late.status_code
    assert first.headers["location"] == late.headers["location"]
    spend_budget(shop)
    assert 202 == shop.call("POST", "/analyze", headers=KEY).status_code
    assert 1 == shop.environment.count("llm_analysis_orders")


def test_a_service_that_dies_before_the_commit_has_ordered_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No order, no record, and the key is free for the same request."""

    def die(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(requests, "end", die)
        assert 500 == shop.call("POST", "/analyze", headers=KEY).status_code
    assert (0, 0, 0) == tuple(
        shop.environment.count(table) for table in ("llm_analysis_orders", "llm_audit_log", "llm_idempotency_keys")
    )
    assert 202 == shop.call("POST", "/analyze", headers=KEY).status_code
