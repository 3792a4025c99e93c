"""The invariants I1 to I10 as checks of a database and its bill; a violation is one line that begins with its name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import date
from decimal import Decimal

from tests.ledger_view import OPERATOR, LedgerView, Row, fingerprint

Violations = Iterator[str]
TASK = ("project_id", "query_id", "task_provider", "analysis_date", "sample", "kind")
STEPS = {
    (None, "reserved"),
    ("reserved", "sent"),
    ("reserved", "void"),
    ("sent", "settled"),
    ("sent", "void"),
    ("sent", "unknown"),
    ("unknown", "settled"),
    ("unknown", "unknown"),
    ("unknown", "void"),
}


def violations(view: LedgerView) -> list[str]:
    """What breaks I1 to I9, whatever had happened before."""
    return [line for check in ALWAYS for line in check(view)]


def i1_never_over_budget(view: LedgerView) -> Violations:
    """Spent + reserved stayed within the budget at every admission, judged at its commit."""
    yield from breaches(view, "I1")
    for row in view.calls:
        if row["committed_usd"] > row["budget_usd"]:
            yield f"I1 attempt {row['id']} was admitted at {row['committed_usd']} of {row['budget_usd']} USD"
        limit = row["operator_budget_usd"]
        if limit is not None and row["operator_committed_usd"] > limit:
            yield f"I1 attempt {row['id']} : {row['operator_committed_usd']} of the operator's {limit} USD"


def i2_counters_are_sums(view: LedgerView) -> Violations:
    """The counters are the sums over the attempts of their month."""
    yield from breaches(view, "I2")
    spent: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    reserved: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for row in view.attempts:
        spent[row["user_id"], row["month"]] += row["charged_usd"]
        if row["state"] in ("reserved", "sent"):
            reserved[row["user_id"], row["month"]] += row["ceiling_usd"]
    for row in view.accounts:
        key = row["user_id"], month_of(row)
        counted = row["current_month_spend"], row["reserved_spend_usd"]
        if counted != (spent[key], reserved[key]):
            yield f"I2 user {key[0]}, {key[1]}: counters {counted}, ledger {(spent[key], reserved[key])}"
    yield from i2_operator(view)


def i2_operator(view: LedgerView) -> Violations:
    """Each call with the operator's key counts in a month of the operator's account, which is the sum of its calls."""
    for row in view.calls:
        if (row["operator_month"] is not None) != (row["key_source"] == "operator"):
            yield f"I2 attempt {row['id']} with a key of the {row['key_source']} counts in {row['operator_month']}"
    mine = [row for row in view.calls if row["operator_month"] == view.operator["month"]]
    spent = sum((row["charged_usd"] for row in mine), Decimal(0))
    reserved = sum((row["ceiling_usd"] for row in mine if row["state"] in ("reserved", "sent")), Decimal(0))
    counted = view.operator["spent_usd"], view.operator["reserved_usd"]
    if counted != (spent, reserved):
        yield f"I2 the operator, {view.operator['month']}: counters {counted}, ledger {(spent, reserved)}"


def month_of(account: Row) -> date:
    reset = account["last_spend_reset"]
    return date(reset.year, reset.month, 1)


def i3_never_counted_less(view: LedgerView) -> Violations:
    """What each provider billed to a key is covered by what its owner was charged."""
    billed: dict[tuple[int | None, str], Decimal] = defaultdict(Decimal)
    charged: dict[tuple[int | None, str], Decimal] = defaultdict(Decimal)
    for charge in view.bill:
        billed[charge.owner, charge.provider] += charge.price_usd
    for row in view.calls:
        charged[payer(row), row["llm_provider"]] += row["charged_usd"]
        # what is still open stands for its ceiling
        charged[payer(row), row["llm_provider"]] += row["ceiling_usd"] if row["state"] == "sent" else 0
    for key, amount in sorted(billed.items(), key=str):
        if amount > charged[key]:
            yield f"I3 {key[1]} billed {amount} USD to {named(key[0])}, the ledger holds {charged[key]}"


def payer(attempt: Row) -> int:
    return OPERATOR if attempt["key_source"] == "operator" else int(attempt["user_id"])


def named(owner: int | None) -> str:
    return {None: "an unknown key", OPERATOR: "the operator"}.get(owner, f"user {owner}")


def i4_own_key_own_attempt(view: LedgerView) -> Violations:
    """Each billed call has an attempt of the key's owner for the same prompt, provider and model."""
    made: Counter[tuple[object, ...]] = Counter()
    for row in view.calls:
        if row["sent_at"] is not None:
            prompt = fingerprint(row["query_text"] or "") if row["kind"] == "answer" else None
            made[payer(row), row["llm_provider"], row["model_id"], prompt] += 1
    prompts = {key[3] for key in made}
    billed = Counter(
        (charge.owner, charge.provider, charge.model, charge.prompt if charge.prompt in prompts else None)
        for charge in view.bill
    )
    for key, number in sorted(billed.items(), key=str):
        if number > made[key]:
            yield f"I4 {number} billed calls of {named(key[0])} to {key[1]}/{key[2]}, but {made[key]} attempts"


def i5_paid_once(view: LedgerView) -> Violations:
    """One result a task, one way through the states, a further call only after a doubtful one."""
    yield from breaches(view, "I5")
    calls = {row["id"] for row in view.calls}
    for step in view.steps:
        taken = (step["before"], step["after"])
        if step["attempt_id"] in calls and taken not in STEPS and taken != ("sent", "sent"):
            yield f"I5 attempt {step['attempt_id']} went from {step['before']} to {step['after']}"
    states = {row["id"]: row["state"] for row in view.attempts}
    for row in view.results:
        state = states.get(row["attempt_id"])
        if row["attempt_id"] is not None and state not in ("settled", "unknown"):
            yield f"I5 result {row['id']} hangs on attempt {row['attempt_id']}, which is {state}"
    answers: Counter[tuple[object, ...]] = Counter()
    for row in view.calls:
        if row["kind"] == "answer" and row["state"] == "settled" and row["error_kind"] is None:
            answers[tuple(row[name] for name in TASK)] += 1
    for task, number in answers.items():
        if number > 1 and not doubted(view, task):
            yield f"I5 task {task} was answered and paid {number} times"


def doubted(view: LedgerView, task: tuple[object, ...]) -> bool:
    """Whether one of the task's settled attempts had been given up as doubtful before its truth arrived."""
    ids = {row["id"] for row in view.calls if tuple(row[name] for name in TASK) == task}
    return any(step["attempt_id"] in ids and step["after"] == "unknown" for step in view.steps)


def i6_replies_are_kept(view: LedgerView) -> Violations:
    """What was settled by an answer has its receipt; a paid reply is missing only where its call is in doubt."""
    for row in view.calls:
        if row["has_receipt"] and row["state"] not in ("settled", "unknown"):
            yield f"I6 attempt {row['id']} has a receipt and is {row['state']}"
        if row["state"] == "settled" and row["error_kind"] is None and not row["has_receipt"]:
            yield f"I6 attempt {row['id']} is settled without its receipt"
        if row["has_result"] and not row["has_receipt"]:
            yield f"I6 attempt {row['id']} brought a result without its receipt"
    in_doubt = sum(not row["has_receipt"] and row["state"] in ("sent", "unknown") for row in view.calls)
    if view.lost_replies > in_doubt:
        yield f"I6 {view.lost_replies} paid replies are missing, but only {in_doubt} calls are in doubt"


def i7_nothing_left_open(view: LedgerView) -> Violations:
    """No attempt of a dead run is open, and no dead run counts as running."""
    for row in view.calls:
        if row["state"] in ("reserved", "sent"):
            yield f"I7 attempt {row['id']} of run {row['run_id']} is still {row['state']}"
    yield from (f"I7 run {row['id']} still counts as running" for row in view.runs if row["status"] == "running")


def i8_no_key_shows(view: LedgerView) -> Violations:
    """No key's last eight characters stand in the output or in any table."""
    for key in view.keys:
        for place, text in (("the output", view.output), ("the database", view.dump)):
            if key[-8:] in text:
                yield f"I8 a key of {key[:7]}… shows in {place}"


def i9_one_alert(view: LedgerView) -> Violations:
    """One alert a user, month and threshold, raised where it was reached; nothing was admitted at 100 %."""
    yield from breaches(view, "I9")
    raised = Counter((row["user_id"], row["month"], row["threshold"]) for row in view.alerts)
    yield from (f"I9 {number} alerts for {key}" for key, number in raised.items() if number > 1)
    for row in view.alerts:
        if 100 * row["spent_usd"] < row["threshold"] * row["budget_usd"]:
            yield f"I9 alert of user {row['user_id']} at {row['spent_usd']} of {row['budget_usd']} USD"


def missing_alerts(view: LedgerView) -> Violations:
    """Users who reached a threshold without an alert; holds where no limit was lowered and nothing was open."""
    raised = {(row["user_id"], row["month"], row["threshold"]) for row in view.alerts}
    for row in view.accounts:
        percent = 100 * row["current_month_spend"] / row["monthly_budget_usd"]
        for threshold in (row["spending_alert_threshold"], Decimal(100)):
            if percent >= threshold and (row["user_id"], month_of(row), threshold) not in raised:
                yield f"I9 user {row['user_id']} is at {percent:.1f} % without the alert at {threshold} %"


def i10_day_complete(view: LedgerView, days: Collection[date]) -> list[str]:
    """Every task of these days has a valid result."""
    have = Counter(
        (row["project_id"], row["query_id"], row["llm_provider"], row["sample"], row["analysis_date"])
        for row in view.results
    )
    wanted = [
        (task["project_id"], task["query_id"], task["llm_provider"], task["sample"], day)
        for task in view.tasks
        for day in days
    ]
    return [f"I10 task {task} has {have[task]} results" for task in wanted if have[task] != 1]


def breaches(view: LedgerView, rule: str) -> Violations:
    yield from (f"{rule} {row['message']}" for row in view.breaches if row["rule"] == rule)


ALWAYS: tuple[Callable[[LedgerView], Violations], ...] = (
    i1_never_over_budget,
    i2_counters_are_sums,
    i3_never_counted_less,
    i4_own_key_own_attempt,
    i5_paid_once,
    i6_replies_are_kept,
    i7_nothing_left_open,
    i8_no_key_shows,
    i9_one_alert,
)
