"""T5 for flex: a call that a dead run left is settled by the tier that its receipt names, body or header."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from llm_monitoring import failpoints
from llm_monitoring.domain import ProviderName
from llm_monitoring.failpoints import Point
from tests.environment import Environment, open_environment
from tests.faults.in_process import TODAY, ask, impatient, run_day

ECONOMY = {"LLM_ECONOMY": "openai:flex,google:flex"}


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as environment, impatient():
        yield environment


class Died(BaseException):
    """Ends a call as the end of its process would: nothing after the point happens."""


def run_until(environment: Environment, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in which each call ends at a point, and the sign that the run is over is missing."""

    def hook(reached: Point) -> None:
        if reached == point:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hook", hook)
        run_day(environment, **ECONOMY, LLM_MAX_ATTEMPTS="1")


@pytest.mark.short(every=4)
@pytest.mark.short(every=3)
@pytest.mark.parametrize("provider", ["openai", "google"])
@pytest.mark.parametrize(
    ("point", "ways"),
    [
        ("reserved", ["void flex", "settled flex"]),
        ("sent", ["unknown flex", "settled flex"]),
        ("replied", ["unknown flex", "settled flex"]),
        ("receipt_kept", ["settled flex"]),
    ],
)
def test_t5_what_a_dead_run_left_of_a_flex_call_is_settled(
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    provider: ProviderName,
    point: Point,
    ways: list[str],
) -> None:
    """Nothing is charged before it was sent, the standard ceiling in doubt, and a receipt at the tier that it names."""
    ask(environment, environment.add_user(providers=[provider]), ["¿Qué programa conviene?"], [provider])
    run_until(environment, point, monkeypatch)
    run_day(environment, **ECONOMY)
    rows = environment.rows("SELECT * FROM llm_call_attempts ORDER BY reserved_at")
    assert ways == [f"{row['state']} {row['mode']}" for row in rows]
    assert rows[-1]["saved_usd"] > 0
    in_doubt = sum(row["ceiling_usd"] for row in rows if row["state"] == "unknown")
    lost = environment.billed() - rows[-1]["charged_usd"]
    assert rows[-1]["charged_usd"] + in_doubt == environment.charged()
    assert (point == "replied") == (lost > 0)
    assert environment.check(TODAY) == []
