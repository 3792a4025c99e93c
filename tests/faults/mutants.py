"""Faults put into a copy of the code one by one: each must make the test named for it fail.

`python -m tests.faults.mutants [NAME …]` first proves that the named tests pass on the code as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.faults.batch_mutants import BATCH_MUTANTS
from tests.faults.mutant import PACKAGE, Edit, Mutant
from tests.faults.pacing_mutants import PACING_MUTANTS
from tests.faults.reply_mutants import REPLY_MUTANTS
from tests.faults.web_mutants import WEB_MUTANTS

ROOT: Final = Path(__file__).resolve().parents[2]
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis")
FAILED: Final = 1  # pytest's exit code where tests ran and some failed; any other is no verdict
LONGEST_SECONDS: Final = 300

BUDGET_SQL: Final = PACKAGE + "db/sql/budget.sql"
LEDGER: Final = PACKAGE + "db/sql/migrations/0003_create_ledger.sql"
GUARD: Final = PACKAGE + "db/sql/migrations/0016_guard_accounts.sql"

MUTANTS: Final = (
    Mutant(
        "check-then-act",
        "tests/faults/test_t01_one_budget.py::test_t1_two_processes_fill_one_budget_and_never_pass_it",
        (
            Edit(
                BUDGET_SQL,
                "              + CASE WHEN last_spend_reset < %(month)s::date "
                "THEN llm_ledger_reserved(user_id, %(month)s::date)\n"
                "                     ELSE reserved_spend_usd END\n"
                "              + %(ceiling)s <= monthly_budget_usd",
                """ >= 0 AND EXISTS (SELECT FROM user_llm_api_keys seen WHERE seen.user_id = %(user_id)s
                  AND seen.current_month_spend + seen.reserved_spend_usd + %(ceiling)s <= seen.monthly_budget_usd)""",
            ),
            Edit(GUARD, "coalesce(committed_usd <= budget_usd, FALSE)", "TRUE"),
        ),
    ),
    Mutant(
        "sent-released-on-recovery",
        "tests/faults/test_t05_kill_points.py::test_t5_a_start_that_may_not_spend_settles_what_a_dead_run_left",
        (
            Edit(
                PACKAGE + "runs/recovery.py",
                'if row["state"] == "reserved":',
                'if row["state"] == "reserved" or row["body"] is None:',
            ),
            Edit(PACKAGE + "ledger/budget.py", 'from_states=("reserved",)))', 'from_states=("reserved", "sent")))'),
        ),
    ),
    Mutant(
        "sent-marked-after-the-call",
        "tests/faults/test_t05_kill_points.py::test_t5_a_kill_at_each_byte_of_a_call_is_mended_by_the_next_start",
        (
            Edit(
                PACKAGE + "ledger/payment.py",
                "            if not self.budget.mark_sent(attempt, registry.write_rates(price)):",
                "            if False:",
            ),
            Edit(
                PACKAGE + "ledger/payment.py",
                "            return provider.send(question)\n",
                "            try:\n                return provider.send(question)\n"
                "            finally:\n                self.budget.mark_sent(payment.attempt)\n",
            ),
        ),
    ),
    Mutant(
        "a-call-is-sent-again",
        "tests/faults/test_t07_provider_faults.py",
        (
            Edit(
                PACKAGE + "providers/transport.py",
                "            response = super().handle_request(request)\n",
                "            response = super().handle_request(request)\n"
                "            if response.is_server_error:\n"
                "                response = super().handle_request(request)\n",
            ),
        ),
    ),
    Mutant(
        "settle-twice",
        "tests/faults/test_t06_postgres.py::test_t6_a_lost_acknowledgement_is_no_second_payment",
        (
            Edit(BUDGET_SQL, "WHERE id = %(id)s AND state = ANY (%(from_states)s)\n", "WHERE id = %(id)s\n"),
            Edit(BUDGET_SQL, "a.charged_usd - old.charged_usd AS added", "a.charged_usd AS added"),
        ),
    ),
    Mutant(
        "float-money",
        "tests/faults/test_t10_prices.py",
        (Edit(PACKAGE + "registry/pricing.py", "tokens * premium / MILLION +", "Decimal(float(tokens) / 1e6) +"),),
    ),
    Mutant(
        "search-fee-dropped",
        "tests/faults/test_t10_prices.py",
        (Edit(PACKAGE + "registry/pricing.py", "usage.searches * (price.search_usd or Decimal(0)) + ", ""),),
    ),
    Mutant(
        "flex-settled-by-the-tier-that-was-asked",
        "tests/unit/test_modes.py::test_a_mode_has_its_price",
        (
            Edit(
                PACKAGE + "registry/pricing.py",
                'mode == "batch" or (mode == "flex" and tier == "flex")',
                'mode in ("batch", "flex")',
            ),
        ),
    ),
    Mutant(
        "mode-factor-on-search-fees",
        "tests/unit/test_modes.py::test_a_mode_has_its_price",
        (
            Edit(
                PACKAGE + "registry/pricing.py",
                "return rounded_up(tokens * premium / MILLION + fees)",
                "return rounded_up(tokens * premium / MILLION + fees * factor)",
            ),
        ),
    ),
    Mutant(
        "flex-reserved-at-half-price",
        "tests/unit/test_modes.py::test_a_flex_call_is_reserved_at_the_standard_price",
        (
            Edit(
                PACKAGE + "registry/pricing.py",
                '(price.batch_factor or PLAIN) if question.mode == "batch" else PLAIN',
                "price.factor(question.mode) or PLAIN",
            ),
        ),
    ),
    Mutant(
        "cached-input-always-discounted",
        "tests/unit/test_modes.py::test_a_mode_has_its_price",
        (
            Edit(
                PACKAGE + "registry/pricing.py",
                "return factor if self.discounts_cached else max(factor, PLAIN)",
                "return factor",
            ),
        ),
    ),
    Mutant(
        "tier-of-the-header-forgotten",
        "tests/faults/test_t05_flex.py",
        (Edit(BUDGET_SQL, "%(request_id)s, %(service_tier)s, %(body)s", "%(request_id)s, NULL, %(body)s"),),
    ),
    Mutant(
        "shed-narrows-the-window",
        "tests/faults/test_t07_flex.py::test_t7_shedding_neither_narrows_a_window_nor_opens_a_breaker",
        (Edit(PACKAGE + "runs/call_errors.py", '        return "shed"', '        return "slow_down"'),),
    ),
    Mutant(
        "receipt-at-the-price-of-then",
        "tests/integration/test_dated_prices.py::test_a_receipt_of_a_dead_run_is_settled_by_the_rates_of_its_admission",
        (Edit(PACKAGE + "runs/recovery.py", '    if row["rates"] is not None:', "    if False:"),),
    ),
    Mutant(
        "known-rise-forgotten",
        "tests/integration/test_dated_prices.py::test_a_known_rise_is_charged_from_its_day_on",
        (Edit(PACKAGE + "registry/tariffs.py", "decision.price if rise is None else", "decision.price if True else"),),
    ),
    Mutant(
        "alert-twice",
        "tests/integration/test_budget.py::test_each_threshold_is_recorded_once_a_month",
        (
            Edit(BUDGET_SQL, "%(budget)s)\nON CONFLICT (user_id, month, threshold) DO NOTHING;", "%(budget)s);"),
            Edit(LEDGER, "now(),\n    PRIMARY KEY (user_id, month, threshold)\n", "now()\n"),
        ),
    ),
    Mutant(
        "month-taken-at-settlement",
        "tests/faults/test_t02_edges.py::test_t2_the_last_call_of_a_budget_is_given_once",
        (
            Edit(BUDGET_SQL, "closed.month = date_trunc('month', u.last_spend_reset)  ", "TRUE  "),
            Edit(BUDGET_SQL, "coalesce(u.ledger_month = closed.month, FALSE)", "TRUE"),
        ),
    ),
    Mutant(
        "binding-dropped",
        "tests/faults/test_t11_swapped_keys.py",
        (
            Edit(
                PACKAGE + "keys/encryption.py", '(content.get("user"), content.get("provider"))', "(user_id, provider)"
            ),
        ),
    ),
    Mutant(
        "receipt-after-parsing",
        "tests/faults/test_t07_provider_faults.py",
        (
            Edit(
                PACKAGE + "ledger/payment.py",
                "            self.keep_receipt(payment.attempt, reply)\n",
                "            read_reply(payment.attempt.provider, reply)\n"
                "            self.keep_receipt(payment.attempt, reply)\n",
            ),
        ),
    ),
    Mutant(
        "breaker-shared-between-users",
        "tests/faults/test_t08_slow_and_dead.py::test_t8_one_users_refused_key_stops_nobody_else",
        (
            Edit(
                PACKAGE + "runs/limits.py",
                "        if key not in self.keys:",
                "        key = KeyId(key.provider, None)\n        if key not in self.keys:",
            ),
        ),
    ),
    Mutant(
        "operators-limit-not-checked",
        "tests/integration/test_operator_budget.py::"
        "test_sixteen_threads_of_many_users_fill_the_operators_limit_and_never_pass_it",
        (
            Edit(
                BUDGET_SQL,
                "OR EXISTS (SELECT FROM operator "
                "WHERE coalesce(spent + reserved <= %(operator_budget)s::numeric, TRUE))",
                "OR EXISTS (SELECT FROM llm_operator_account)",
            ),
            Edit(GUARD, "coalesce(operator_committed_usd <= operator_budget_usd, FALSE)", "TRUE"),
        ),
    ),
    Mutant(
        "lease-not-checked",
        "tests/integration/test_chunks.py::test_an_owner_that_lost_its_chunk_admits_nothing",
        (Edit(BUDGET_SQL, "      AND (%(lease)s::uuid IS NULL OR EXISTS (SELECT FROM chunk))\n", ""),),
    ),
    *BATCH_MUTANTS,
    *PACING_MUTANTS,
    *REPLY_MUTANTS,
    *WEB_MUTANTS,
)


@contextmanager
def copied() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        yield tree


@contextmanager
def mutated(tree: Path, mutant: Mutant) -> Iterator[None]:
    """The tree with the mutant's edits; raises LookupError where one does not fit, and takes them back."""
    files = {edit.file: (tree / edit.file).read_text("utf-8") for edit in mutant.edits}
    texts = dict(files)
    for edit in mutant.edits:
        texts[edit.file] = applied(texts[edit.file], edit)
    try:
        for file, text in texts.items():
            (tree / file).write_text(text, "utf-8")
        yield
    finally:
        for file, text in files.items():
            (tree / file).write_text(text, "utf-8")


def applied(text: str, edit: Edit) -> str:
    if text.count(edit.old) != 1:
        raise LookupError(f"{edit.file} holds {text.count(edit.old)} times: {edit.old}")
    return text.replace(edit.old, edit.new)


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    options = ["-q", "-x", "--tb=line", "--show-capture=no", "-p", "no:cacheprovider", "-m", "not long"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return found.returncode, found.stdout


def hunt(names: Sequence[str], say: Callable[[str], None] = print) -> list[str]:
    """Try the mutants, all where none is named, and return those that no test caught, or why none could be tried."""
    wanted = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with copied() as tree:
        code, output = run_tests(tree, sorted({mutant.test for mutant in wanted}))
        if code != 0:
            say(output)
            return ["the named tests do not pass on the code as it is"]
        say(f"the named tests pass on the code as it is; {len(wanted)} mutants:")
        return [mutant.name for mutant in wanted if not caught(tree, mutant, say)]


def caught(tree: Path, mutant: Mutant, say: Callable[[str], None]) -> bool:
    started = time.monotonic()
    with mutated(tree, mutant):
        code, output = run_tests(tree, [mutant.test])
    verdict = "caught" if code == FAILED else f"NOT CAUGHT (pytest ended with {code})"
    say(f"  {mutant.name}: {verdict} by {mutant.test} in {time.monotonic() - started:.0f} s{reason(output)}")
    if code not in (0, FAILED):
        say(output[-2000:])
    return code == FAILED


def reason(output: str) -> str:
    """How the test failed, so that a mutant which only breaks the code is seen for what it is."""
    lines = [line for line in output.splitlines() if line.startswith(("E  ", "/", "FAILED", "ERROR"))]
    return "".join(f"\n      {line[:200]}" for line in lines[:3])


def main(names: Sequence[str]) -> int:
    known = {mutant.name for mutant in MUTANTS}
    if unknown := sorted(set(names) - known):
        print(f"unknown: {', '.join(unknown)}; choose from {', '.join(sorted(known))}")
        return 2
    left = hunt(names)
    print(f"NOT CAUGHT: {', '.join(left)}" if left else "every mutant was caught")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
