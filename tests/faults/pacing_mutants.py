"""Faults of pacing: what a day may cost, which prompt is next, what a plan leaves out."""

from __future__ import annotations

from typing import Final

from tests.faults.mutant import PACKAGE, Edit, Mutant

PACING: Final = PACKAGE + "runs/pacing.py"
PLANS: Final = PACKAGE + "runs/day_plans.py"
UNIT: Final = "tests/unit/test_pacing.py::"
INTEGRATION: Final = "tests/integration/test_pacing.py::"

PACING_MUTANTS: Final = (
    Mutant(
        "savings-not-carried-over",
        UNIT + "test_a_day_has_its_share_and_what_the_days_before_saved",
        (Edit(PACING, "day_usd=(left - saved) / month.days + saved", "day_usd=left / month.days"),),
    ),
    Mutant(
        "prompt-never-asked-again",
        UNIT + "test_the_least_certain_prompts_are_asked_more_often_and_none_is_dropped",
        (Edit(PACING, "return self.days * max(self.width, LEAST_WIDTH)", "return self.width"),),
    ),
    Mutant(
        "dear-prompt-passed-over",
        UNIT + "test_a_dear_prompt_is_not_passed_over_for_cheap_ones",
        (Edit(PACING, "left = left if waiting else left / 2", "pass"),),
    ),
    Mutant(
        "day-planned-by-each-run",
        INTEGRATION + "test_a_day_is_planned_once_and_what_it_leaves_out_is_not_open",
        (
            Edit(PLANS, "standing.user_id in planned or ", ""),
            Edit(
                PACKAGE + "db/sql/paced_days.sql",
                "ON CONFLICT (project_id, analysis_date) DO NOTHING",
                "ON CONFLICT (project_id, analysis_date) DO UPDATE SET resting = excluded.resting",
            ),
        ),
    ),
    Mutant(
        "prices-of-the-past",
        INTEGRATION + "test_a_price_that_changes_changes_what_is_expected_on_that_day",
        (Edit(PACKAGE + "runs/call_costs.py", "price_of(model, self.day)", 'price_of(model, row["day"])'),),
    ),
    Mutant(
        "forecast-at-prices-of-today",
        "tests/unit/test_forecast.py::test_a_price_that_begins_counts_from_its_day_on",
        (Edit(PACKAGE + "runs/forecast.py", "[cell.on(day) for cell in cells]", "list(cells)"),),
    ),
)
