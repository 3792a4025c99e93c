"""When a run stops before its work is done."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from llm_monitoring.runs.stop_check import OWNERSHIP_CHECK_SECONDS, StopCheck


class Ownership:
    """Whether the run still belongs to this process, and how often that was asked."""

    def __init__(self) -> None:
        self.held = True
        self.checks = 0

    def __call__(self) -> bool:
        self.checks += 1
        return self.held


def make_check(deadline: float = 100.0) -> tuple[StopCheck, Ownership]:
    ownership = Ownership()
    return StopCheck(Event(), deadline, ownership), ownership


def test_a_run_goes_on_while_nothing_stops_it() -> None:
    """Before its deadline, without a signal, a run that owns its lock does not stop."""
    check, _ = make_check()
    assert not check.should_stop(99.9)
    assert check.reason is None


def test_a_signal_stops_a_run() -> None:
    """A signal is the reason even if the deadline has passed as well."""
    check, _ = make_check()
    check.stop.set()
    assert check.should_stop(200.0)
    assert "signal" == check.reason


def test_a_deadline_stops_a_run() -> None:
    """No call is made from the deadline on."""
    check, _ = make_check()
    assert check.should_stop(100.0)
    assert "deadline" == check.reason


def test_ownership_is_looked_at_every_few_seconds() -> None:
    """The look costs a statement, so it is made not for every call but often enough to stop soon."""
    check, ownership = make_check()
    for tenth in range(41):
        assert not check.should_stop(tenth / 10)
    assert 1 + 4 // OWNERSHIP_CHECK_SECONDS == ownership.checks
    ownership.held = False
    assert not check.should_stop(4.1)
    assert check.should_stop(4.0 + OWNERSHIP_CHECK_SECONDS)
    assert "taken_over" == check.reason


def test_a_withdrawn_call_has_the_next_look_made_at_once() -> None:
    """Another run may have taken over: no call is made before the lock has been looked at."""
    check, ownership = make_check()
    assert not check.should_stop(0.0)
    ownership.held = False
    check.check_ownership_next()
    assert check.should_stop(0.1)


def test_the_reason_is_logged_once_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    """The first reason stands for the rest of the run, with one line of the log."""
    check, _ = make_check()
    with caplog.at_level(logging.WARNING):
        assert check.should_stop(100.0)
        check.stop.set()
        assert check.should_stop(101.0)
    assert "deadline" == check.reason
    assert ["run.stopping"] == [vars(record)["event"] for record in caplog.records]
