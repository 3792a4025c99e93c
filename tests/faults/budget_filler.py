"""A process that spends one user's budget from many threads, for the test of contention on one row."""

from __future__ import annotations

import json
import sys
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from random import Random

from llm_monitoring.db.database import Database
from llm_monitoring.domain import Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BudgetExceeded

CENT_OF_A_CENT = Decimal("0.0001")
PAUSE = 1000  # reservations between two lines of progress


def new_call(user: int, ceiling: Decimal, source: str = "user") -> Attempt:
    return Attempt(uuid.uuid4(), "probe", user, "openai", "m", source, ceiling)


def admitted(budget: Budget, call: Attempt) -> bool:
    try:
        budget.reserve(call)
    except BudgetExceeded:
        return False
    return True


def spend(budget: Budget, user: int, reservations: int, random: Random) -> Counter[str]:
    """Reserve ceilings of 0.0001 to 0.02 USD; settle a fifth of them below it, void a twentieth.

    With the operator's key, for any of the users up to `user`, if its limit is what is to be filled.
    """
    counts: Counter[str] = Counter()
    for _ in range(reservations):
        of_operator = budget.operator_budget_usd is not None
        payer, source = (random.randint(1, user), "operator") if of_operator else (user, "user")
        call = new_call(payer, CENT_OF_A_CENT * random.randint(1, 200), source)
        if not admitted(budget, call):
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


def settle(budget: Budget, call: Attempt, cost: Decimal) -> None:
    assert budget.mark_sent(call)
    outcome = Settlement("settled", cost, Usage(1, 1), "m")
    budget.db.transact(lambda tx: budget.close(tx, call.id, outcome))


def main(url: str, user: int, reservations: int, threads: int, seed: int, limit: Decimal | None = None) -> None:
    total: Counter[str] = Counter()
    with Database(url, size=threads) as db, ThreadPoolExecutor(threads) as pool:
        budget, left = Budget(db, operator_budget_usd=limit), reservations
        while left > 0:
            share = min(left, PAUSE) // threads or 1
            seeds = [seed + left + number for number in range(threads)]
            futures = [pool.submit(spend, budget, user, share, Random(each)) for each in seeds]
            total += sum((future.result() for future in futures), Counter[str]())
            left -= share * threads
            print(json.dumps({"left": left, **total}), flush=True)


if __name__ == "__main__":
    payer, calls, workers, start = (int(text) for text in sys.argv[2:6])
    main(sys.argv[1], payer, calls, workers, start, *map(Decimal, sys.argv[6:]))
