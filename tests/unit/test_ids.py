"""The ids of ledger entries."""

from __future__ import annotations

import time
from uuid import RFC_4122

from llm_monitoring.ledger.attempts import new_id


def test_ids_follow_the_clock() -> None:
    """An id of a later millisecond is greater, as PostgreSQL compares them, and tells its own time."""
    made = []
    for _ in range(5):
        made.append(new_id())
        time.sleep(0.002)
    now = time.time() * 1000
    assert sorted(made, key=lambda each: each.bytes) == made
    assert all(now - 2000 < each.int >> 80 <= now for each in made)
    assert {(7, RFC_4122)} == {(each.version, each.variant) for each in made}


def test_ids_differ() -> None:
    """Ids of the same millisecond are random behind it."""
    assert 20_000 == len({new_id() for _ in range(20_000)})
