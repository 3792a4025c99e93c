"""Money rules of batches, taken away one by one; each has its proof."""

from __future__ import annotations

from typing import Final

from tests.faults.mutant import PACKAGE, Edit, Mutant

PROVIDERS: Final = PACKAGE + "providers/"
BATCHES: Final = PACKAGE + "runs/batches/"
SQL: Final = PACKAGE + "db/sql/"
T15: Final = "tests/faults/test_t15_batch_faults.py::"
LINES: Final = "tests/providers/test_batch_lines.py::"
CALLS: Final = "tests/providers/test_batch_calls.py::"
STATES: Final = "tests/integration/batches/test_states.py::"

BATCH_MUTANTS: Final = (
    Mutant(
        "missing-line-is-free",
        T15 + "test_t15_each_fault_has_its_charge_and_its_next_try",
        (
            Edit(
                PROVIDERS + "batches.py",
                'return "failed" if batch.answered is None or replied < batch.answered else "not_billed"',
                'return "not_billed"',
            ),
        ),
    ),
    Mutant(
        "unreadable-line-is-free",
        T15 + "test_t15_each_fault_has_its_charge_and_its_next_try",
        (Edit(PROVIDERS + "batch_lines.py", '{why}: {start}", billed="maybe")', '{why}: {start}", billed="no")'),),
    ),
    Mutant(
        "canceled-answer-is-free",
        LINES + "test_a_message_is_an_answer_whatever_its_result_says",
        (
            Edit(
                PROVIDERS + "anthropic_batches.py",
                'if result and result.inner("message"):',
                'if result and result.text("type") not in FREE and result.inner("message"):',
            ),
        ),
    ),
    Mutant(
        "unreadable-line-closes-nothing",
        LINES + "test_an_unreadable_line_with_our_id_is_perhaps_charged",
        (Edit(PROVIDERS + "batch_lines.py", "custom_id = named_in(raw)", 'custom_id = ""'),),
    ),
    Mutant(
        "contradicting-replies-are-one",
        LINES + "test_repeated_lines_are_one",
        (Edit(PROVIDERS + "batch_lines.py", "self.contradicted or self.body != other.body", "False"),),
    ),
    Mutant(
        "free-line-beats-an-answer",
        LINES + "test_repeated_lines_are_one",
        (Edit(PROVIDERS + "batch_lines.py", "return max(self, other, key", "return min(self, other, key"),),
    ),
    Mutant(
        "cut-download-is-whole",
        LINES + "test_a_cut_download_gives_what_it_has_and_raises",
        (
            Edit(PROVIDERS + "batch_http.py", "whole=fault is None)", "whole=True)"),
            Edit(PROVIDERS + "batch_http.py", "        if fault is not None:\n            raise fault\n", ""),
        ),
    ),
    Mutant(
        "lines-end-at-unicode-separators",
        LINES + "test_only_a_line_feed_ends_a_line",
        (
            Edit(
                PROVIDERS + "batch_lines.py",
                '            yield start, raw.rstrip(b"\\n")\n',
                "            for each in raw.decode().splitlines():\n                yield start, each.encode()\n",
            ),
        ),
    ),
    Mutant(
        "broken-list-proves-absence",
        CALLS + "test_a_broken_list_proves_no_absence",
        (
            Edit(
                PROVIDERS + "batch_http.py",
                'if not isinstance(page.get("data"), list) or not isinstance(more, bool):',
                "if False:",
            ),
        ),
    ),
    Mutant(
        "torn-creation-is-refused",
        T15 + "test_t15_each_fault_has_its_charge_and_its_next_try",
        (Edit(BATCHES + "submission.py", '            if exc.billed == "no":\n', "            if True:\n"),),
    ),
    Mutant(
        "one-look-proves-absence",
        T15 + "test_t15_a_batch_that_is_hidden_at_first_is_neither_lost_nor_made_again",
        (
            Edit(
                BATCHES + "lookup.py",
                "return None, not doubtful and is_absent(executor, client, batch)",
                "return None, not doubtful",
            ),
        ),
    ),
    Mutant(
        "requests-of-an-absent-batch-stay",
        T15 + "test_t15_a_batch_that_was_given_up_cannot_run",
        (Edit(BATCHES + "lookup.py", "client.forget(batch.remote)", "pass"),),
    ),
    Mutant(
        "foreign-batch-is-ours",
        STATES + "test_a_foreign_batch_of_the_same_size_is_not_taken",
        (
            Edit(
                BATCHES + "lookup.py",
                "None if first is None or not first.custom_id else first.custom_id in calls",
                "True",
            ),
        ),
    ),
    Mutant(
        "lost-batch-is-free",
        T15 + "test_t15_a_batch_that_is_never_seen_again_is_charged_its_ceilings",
        (
            Edit(
                BATCHES + "collection.py",
                'batch is lost: {trouble_text(trouble, \'en\')}", billed="maybe")',
                'lost", billed="no")',
            ),
        ),
    ),
    Mutant(
        "receipt-of-a-lost-batch-unread",
        T15 + "test_t15_a_line_that_was_stored_is_settled_without_its_batch",
        (Edit(BATCHES + "collection.py", 'if row["body"] is None:', "if True:"),),
    ),
    Mutant(
        "recovery-charges-what-is-out",
        STATES + "test_a_batch_that_runs_is_left_alone_by_recovery",
        (
            Edit(
                SQL + "budget.sql",
                "AND coalesce(b.state IN ('collected', 'forgotten'), TRUE)\n               UNION ALL",
                "\n               UNION ALL",
            ),
        ),
    ),
    Mutant(
        "posted-batch-is-withdrawn",
        "tests/faults/test_t15_batches.py::test_t15_a_kill_at_each_step_is_mended_by_the_next_starts",
        (
            Edit(
                BATCHES + "collection.py",
                'if self.batch.state == "preparing":',
                'if self.batch.state in ("preparing", "posting"):',
            ),
            Edit(PACKAGE + "ledger/budget.py", 'from_states=("reserved",)))', 'from_states=("reserved", "sent")))'),
            Edit(
                BATCHES + "collection.py",
                'return records.mark_collected(self.db, self.batch, "withdrawn")',
                'return records.mark_collected(self.db, self.batch, "absent")',
            ),
        ),
    ),
)
