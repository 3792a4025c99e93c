"""A process that spends one user's budget from many threads, for the test of contention on one row."""

from __future__ import annotations

import json
import sys
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from random import Random

from llm_monitoring.budget import Budget, Call, Outcome
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Usage

CENT_OF_A_CENT = Decimal("0.0001")
PAUSE = 1000  # reservations between two lines of progress


def new_call(user: int, ceiling: Decimal) -> Call:
    return Call(uuid.uuid4(), "probe", user, "openai", "m", "user", ceiling)


def spend(budget: Budget, user: int, reservations: int, random: Random) -> Counter[str]:
    """Reserve ceilings of 0.0001 to 0.02 USD; settle a fifth of them below it, void a twentieth."""
    counts: Counter[str] = Counter()
    for _ in range(reservations):
        call = new_call(user, CENT_OF_A_CENT * random.randint(1, 200))
        if not budget.reserve(call):
            counts["blocked"] += 1
            continue
        counts["admitted"] += 1
        fate = random.random()
        if fate < 0.20:
            settle(budget, call, call.ceiling_usd * Decimal(random.randint(0, 1000)) / 1000)
            counts["settled"] += 1
        elif fate < 0.25:
            budget.release(call.id, "test", "given back")
            counts["voided"] += 1
    return counts


def settle(budget: Budget, call: Call, cost: Decimal) -> None:
    assert budget.mark_sent(call)
    outcome = Outcome("settled", cost, Usage(1, 1), "m")
    budget.db.transact(lambda tx: budget.close(tx, call.id, outcome))


def main(url: str, user: int, reservations: int, threads: int, seed: int) -> None:
    total: Counter[str] = Counter()
    with Database(url, size=threads) as db, ThreadPoolExecutor(threads) as pool:
        budget, left = Budget(db), reservations
        while left > 0:
            share = min(left, PAUSE) // threads or 1
            seeds = [seed + left + number for number in range(threads)]
            futures = [pool.submit(spend, budget, user, share, Random(each)) for each in seeds]
            total += sum((future.result() for future in futures), Counter[str]())
            left -= share * threads
            print(json.dumps({"left": left, **total}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(int(text) for text in sys.argv[2:6]))
