"""The ledger alone: complete calls a second (reserved, sent, settled) on one budget and on many."""

from __future__ import annotations

import argparse
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from bench.environment import database
from llm_monitoring import projects
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget

SETTLED = Settlement("settled", Decimal("0.001"), Usage(100, 200), "m")


def main() -> int:
    """Print one JSON line: calls a second with all threads on one user's budget, and with one user each."""
    parser = argparse.ArgumentParser(prog="python -m bench ledger", description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="calls in all (default 4000)")
    parser.add_argument("--threads", type=int, default=16, help="threads, each with a connection (default 16)")
    options = parser.parse_args()
    with database() as url, Database(url, size=options.threads) as db:
        budget = Budget(db)
        users = [projects.add_user(db, f"bench{number}@example.com") for number in range(options.threads)]
        for user in users:
            budget.set_limits(user, Decimal(1_000_000), None)
        each = options.calls // options.threads
        report = {
            "threads": options.threads,
            "calls": each * options.threads,
            "one_budget_per_s": round(rate(budget, [users[0]] * options.threads, each), 1),
            "own_budgets_per_s": round(rate(budget, users, each), 1),
            "differences": len(budget.audit().differences),
        }
    print(json.dumps(report))
    return 1 if report["differences"] else 0


def rate(budget: Budget, users: list[int], calls: int) -> float:
    """Return complete calls a second with one thread for each of `users`."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(users)) as pool:
        for done in [pool.submit(spend, budget, user, calls) for user in users]:
            done.result()
    return calls * len(users) / (time.perf_counter() - began)


def spend(budget: Budget, user: int, calls: int) -> None:
    for _ in range(calls):
        call = Attempt(uuid.uuid4(), "answer", user, "openai", "m", "user", Decimal("0.01"))
        budget.reserve(call)
        assert budget.mark_sent(call)
        budget.db.transact(lambda tx, call=call: budget.close(tx, call.id, SETTLED))  # type: ignore[misc]


if __name__ == "__main__":
    raise SystemExit(main())
