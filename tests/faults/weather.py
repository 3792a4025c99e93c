"""Random faults for whole days: what a provider may do to each call, drawn from all that the loopback server can do."""

from __future__ import annotations

from contextlib import closing, contextmanager
from random import Random
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from llm_monitoring.domain import PROVIDERS, ProviderName

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

FREE_STATUSES: Final = (400, 401, 402, 403, 404, 429)
DOUBTFUL_STATUSES: Final = (408, 409, 413, 422, 424, 425, 444, 460, 499, 500, 502, 503, 504, 520, 529)
REFUSED_FOR_LOAD: Final = (("anthropic", 529), ("google", 500), ("google", 503))
"""A whole error reply of these is never billed; any other doubtful status may have been."""

WAITS: Final = ("0", "0.2", "1", "soon", "inf", "-5", "Mon, 02 Jan 2006 15:04:05 GMT", "99999999")
WHOLE: Final[tuple[Json, ...]] = (
    *({"kind": kind} for kind in ("empty_text", "refusal", "content_filter", "max_tokens", "pause_turn")),
    *({"kind": "usage", "value": value} for value in ("missing", "null", "negative")),
    {"kind": "drip", "chunk_bytes": 400, "pause_ms": 20},
    {"kind": "delay", "delay_ms": 300},
)
TIERS: Final = ("flex", "default", "priority", "scale", None)
WITH_TIERS: Final = ("openai", "google")
BROKEN: Final[tuple[Json, ...]] = (
    {"kind": "hang"},
    {"kind": "html"},
    {"kind": "html", "status": 502},
    {"kind": "error_object"},
    *({"kind": "reset", "when": when} for when in ("before_body", "after_body", "mid_reply")),
    *({"kind": "truncate", "content_length": length} for length in ("right", "wrong")),
    *({"kind": "body", "body": body} for body in ("", "{}", "null", "[]", '"ok"', "[[[[", '{"usage": {}}')),
)
TERMINATE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3
"""


def rules(random: Random, name: str, share: float) -> list[Json]:
    """Rules by which about `share` of the calls meet a fault, each kind as often as any other."""
    drawn = [rule(random, f"{name}, {number}") for number in range(60)]
    each = share / len(drawn) * len(PROVIDERS)
    for made in drawn:
        made["match"]["probability"] = each
    return drawn


def rule(random: Random, name: str) -> Json:
    provider = random.choice(PROVIDERS)
    action, billed = fault(random, provider)
    return {"name": name, "match": {"provider": provider, "route": "answer"}, "action": action, "billed": billed}


def fault(random: Random, provider: ProviderName) -> tuple[Json, bool | None]:
    """What happens to a call, and whether the provider bills it; None: if it answers with a usage."""
    kind = random.choice(("free", "doubtful", "whole", "broken", *(("shed", "tier") if provider in WITH_TIERS else ())))
    if kind in ("shed", "tier"):
        return ({"kind": "shed"}, False) if kind == "shed" else ({"kind": "tier", "tier": random.choice(TIERS)}, None)
    if kind == "free":
        headers = {"Retry-After": random.choice(WAITS)} if random.random() < 0.7 else {}
        return {"kind": "status", "status": random.choice(FREE_STATUSES), "headers": headers}, False
    if kind == "doubtful":
        status = random.choice(DOUBTFUL_STATUSES)
        billed = (provider, status) not in REFUSED_FOR_LOAD and random.random() < 0.5
        return {"kind": "status", "status": status}, billed
    if kind == "whole":
        action = random.choice(WHOLE)
        return dict(action), True if action["kind"] == "usage" else None
    action = dict(random.choice(BROKEN))
    return action, action.get("when") != "before_body" and random.random() < 0.5


@contextmanager
def losing_connections(url: str, random: Random) -> Iterator[None]:
    """Terminates connections to the database at random moments, other than the one that does it."""
    over = Event()

    def lose() -> None:
        while not over.wait(random.uniform(0.1, 0.6)):
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                cursor.execute(TERMINATE)

    thread = Thread(target=lose, name="loses connections")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def settings_of(random: Random) -> dict[str, str]:
    """What an operator may choose for a day."""
    timeouts = {f"LLM_{provider.upper()}_TIMEOUT_SECONDS": "0.6" for provider in PROVIDERS}
    choices = {"LLM_MAX_WORKERS": random.choice(("4", "10")), "LLM_SENTIMENT": random.choice(("true", "false"))}
    economy = {"LLM_ECONOMY": random.choice(("none", "openai:flex,google:flex")), "LLM_FLEX_TIMEOUT_SECONDS": "1"}
    return {**timeouts, **choices, **economy}
