"""The time since a request arrived: known to its own threads until it is answered."""

from __future__ import annotations

import contextvars
import time

from llm_monitoring.web import arrival


def test_a_request_waits_from_its_arrival_to_its_answer() -> None:
    """What it began goes on without it: a task of a session that outlives it has waited for nothing."""

    def answer() -> contextvars.Context:
        with arrival.arriving():
            time.sleep(0.01)
            copied = contextvars.copy_context()
            assert copied.run(arrival.waited) >= 0.01
            return copied

    outlived = contextvars.copy_context().run(answer)
    assert 0.0 == outlived.run(arrival.waited)
    assert 0.0 == arrival.waited()
