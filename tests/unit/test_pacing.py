"""What of a day is left out so that a budget lasts the month, without a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import pytest

from llm_monitoring.domain import PACING_STEPS, PacingStep, ProviderName
from llm_monitoring.runs.day_plans import days_left
from llm_monitoring.runs.pacing import (
    Allowance,
    DayPlan,
    MonthLeft,
    ProjectDay,
    PromptTurn,
    TaskCost,
    allow,
    plan_day,
)

ROTATION: Sequence[PacingStep] = ("rotation",)


def usd(text: str | int) -> Decimal:
    return Decimal(text)


def cost(answer: str, cheaper: str | None = None, sentiment: str = "0") -> TaskCost:
    return TaskCost(usd(answer), usd(cheaper or answer), usd(sentiment))


def project(
    number: int = 1,
    prompts: int = 4,
    costs: Mapping[ProviderName, TaskCost] | None = None,
    samples: int = 1,
    *,
    in_full: bool = False,
) -> ProjectDay:
    """A project with prompts that were all asked yesterday, a dollar each if nothing else is said."""
    turns = [PromptTurn(100 * number + place, 1, usd("0.5")) for place in range(prompts)]
    return ProjectDay(number, samples, costs or {"openai": cost("1")}, turns, in_full)


def allowing(amount: str, saved: str = "0") -> Allowance:
    return Allowance(usd(100), usd(0), share_usd=usd(amount), day_usd=usd(amount) + usd(saved))


def plan(amount: str, *projects: ProjectDay, ladder: Sequence[PacingStep] = PACING_STEPS, saved: str = "0") -> DayPlan:
    return plan_day(allowing(amount, saved), projects, ladder)


def test_a_day_that_fits_is_asked_in_full() -> None:
    """No step is taken, and nothing rests."""
    (choice,) = plan("4", project()).choices
    assert [] == [*choice.steps]
    assert set() == {*choice.resting}
    assert 4 == int(choice.expected_usd)


DEAR: Mapping[ProviderName, TaskCost] = {
    "openai": cost("1", "0.5", "0.25"),
    "google": cost("3", "1.5", "0.25"),
}


@pytest.mark.parametrize(
    ("share", "steps", "expected"),
    [
        ("36", (), "36"),
        ("35", ("sentiment",), "32"),
        ("31", ("sentiment", "samples"), "16"),
        ("15", ("sentiment", "samples", "mode"), "8"),
        ("7", ("sentiment", "samples", "mode", "rotation"), "6"),
        ("1.5", ("sentiment", "samples", "mode", "rotation", "providers"), "1.5"),
    ],
)
def test_the_ladder_is_taken_as_far_as_the_share_asks_for(
    share: str, steps: tuple[PacingStep, ...], expected: str
) -> None:
    """Sentiment, second samples, the cheaper mode, prompts in turns, the dearest provider: each saves what it is."""
    made = plan(share, project(costs=DEAR, samples=2))
    assert steps == made.choices[0].steps
    assert usd(expected) == made.expected_usd


def test_a_user_orders_the_ladder() -> None:
    """The first step that he names is taken first, and one that he does not name never."""
    (choice,) = plan("8", project(costs=DEAR), ladder=("providers", "sentiment")).choices
    assert ("providers",) == choice.steps
    assert ("google",) == choice.left_out


def test_samples_are_left_out_one_by_one() -> None:
    """Of four samples as many are kept as fit."""
    (choice,) = plan("13", project(samples=4), ladder=("samples",)).choices
    assert 3 == choice.samples
    assert usd(12) == choice.expected_usd


def test_the_dearest_provider_per_answer_goes_first_and_one_stays() -> None:
    """As many as it takes, by what a task costs on average; a project keeps its cheapest."""
    costs: Mapping[ProviderName, TaskCost] = {"openai": cost("2"), "google": cost("3"), "perplexity": cost("1")}
    left = [plan(share, project(prompts=1, costs=costs), ladder=("providers",)) for share in ("5", "3", "1", "0.5")]
    assert [(), ("google",), ("openai", "google"), ("openai", "google")] == [
        tuple(name for name in costs if name in each.choices[0].left_out) if each.allowance.share_usd < 5 else ()
        for each in left
    ]


def test_one_step_that_saves_too_little_is_said_and_nothing_else_is_left_out() -> None:
    """The user allowed no other: the day is asked beyond its share, and the plan says that it does not suffice."""
    made = plan("1", project(costs=DEAR), ladder=("sentiment",))
    assert made.suffices is False
    assert ("sentiment",) == made.choices[0].steps
    assert 4 == made.choices[0].asked


def test_a_step_that_saves_nothing_is_not_said() -> None:
    """Without sentiment, second samples and a cheaper mode the first step that holds is the rotation."""
    assert ("rotation",) == plan("2", project()).choices[0].steps


def rotate(days: int, share: str, turns: list[PromptTurn], saved: str = "0") -> Counter[int]:
    """How often each prompt is asked in so many days, each with its share, savings carried over."""
    asked: Counter[int] = Counter()
    carried = usd(saved)
    for _ in range(days):
        allowance = allowing(share, str(carried))
        made = plan_day(allowance, [ProjectDay(1, 1, {"openai": cost("1")}, turns)], ROTATION)
        (choice,) = made.choices
        carried = allowance.day_usd - made.expected_usd
        today = {turn.query_id for turn in turns} - choice.resting
        asked.update(today)
        turns = [
            PromptTurn(turn.query_id, 1 if turn.query_id in today else turn.days + 1, turn.width, asked[turn.query_id])
            for turn in turns
        ]
    return asked


def test_each_prompt_has_its_turn() -> None:
    """With money for three of five prompts a day, each is asked on three days of five."""
    turns = [PromptTurn(number, 1, usd("0.5")) for number in range(5)]
    assert dict.fromkeys(range(5), 12) == rotate(20, "3", turns)


def test_the_least_certain_prompts_are_asked_more_often_and_none_is_dropped() -> None:
    """A prompt with an interval four times as wide is asked more often; one that is known well is asked as well."""
    turns = [PromptTurn(0, 1, usd("0.8")), PromptTurn(1, 1, usd("0.2")), PromptTurn(2, 1, usd("0.001"))]
    asked = rotate(60, "1", turns)
    assert asked[0] > asked[1] > asked[2] > 0


def test_a_prompt_that_costs_more_than_a_day_is_asked_when_enough_is_saved() -> None:
    """With half a prompt a day it is asked every second day."""
    assert 10 == rotate(20, "0.5", [PromptTurn(0, 1, usd("0.5"))])[0]


def test_a_dear_prompt_is_not_passed_over_for_cheap_ones() -> None:
    """A project with a prompt above the day's share has its turn from savings; the others have answers meanwhile."""
    prices = {1: "5", 2: "1", 3: "1", 4: "1", 5: "1"}
    waited, asked, saved = dict.fromkeys(prices, 1), Counter[int](), usd(0)
    for _ in range(20):
        days = [
            ProjectDay(number, 1, {"openai": cost(price)}, [PromptTurn(number, waited[number], usd("0.5"))])
            for number, price in prices.items()
        ]
        made = plan("4", *days, ladder=ROTATION, saved=str(saved))
        saved = made.allowance.day_usd - made.expected_usd
        for choice in made.choices:
            asked[choice.project_id] += choice.asked
            waited[choice.project_id] = 1 if choice.asked else waited[choice.project_id] + 1
    assert min(asked.values()) >= 6


def test_each_project_has_answers_before_one_has_many() -> None:
    """With money for three prompts, the certain prompts of one project do not lose every turn to the other."""
    wide = ProjectDay(1, 1, {"openai": cost("1")}, [PromptTurn(n, 3, usd(1)) for n in range(4)])
    narrow = ProjectDay(2, 1, {"openai": cost("1")}, [PromptTurn(n, 1, usd("0.1")) for n in range(10, 14)])
    assert [2, 1] == [choice.asked for choice in plan("3", wide, narrow, ladder=ROTATION).choices]


def test_what_was_ordered_is_asked_in_full() -> None:
    """The other project of the user has what is left, and its step is not said of the ordered one."""
    ordered, other = project(1, prompts=3, in_full=True), project(2, prompts=3)
    first, second = plan("4", ordered, other, ladder=ROTATION).choices
    assert [((), 3), (("rotation",), 1)] == [(first.steps, first.asked), (second.steps, second.asked)]


def test_the_same_day_is_planned_alike() -> None:
    """The order in which projects are read does not change what is asked."""
    one, two = project(1, prompts=7), project(2, prompts=5)
    plans = [plan("6", *order, ladder=ROTATION) for order in ((one, two), (two, one))]
    first, second = ({choice.project_id: choice for choice in each.choices} for each in plans)
    assert first == second


def test_a_day_has_its_share_and_what_the_days_before_saved() -> None:
    """Of 30 dollars for 30 days a day has one; one that spends 0.4 leaves 0.6 to the next, on top of its dollar."""
    first = allow(MonthLeft(usd(30), usd(0), 30), None)
    second = allow(MonthLeft(usd(30), usd("0.4"), 29), first)
    assert usd(1) == first.day_usd
    assert usd("1.6") == second.day_usd
    assert usd("29.6") / 29 == second.share_usd


def test_a_day_that_overspends_takes_from_all_days_that_are_left() -> None:
    """A day of 2 dollars that may cost one leaves 28 to 28 days and no debt to the next alone."""
    first = allow(MonthLeft(usd(30), usd(0), 29), None)
    assert 1 == allow(MonthLeft(usd(30), usd(2), 28), first).day_usd


@pytest.mark.parametrize(("budget", "day"), [("58", "2.6"), ("15", "0.5"), ("0.4", "0")])
def test_a_budget_that_is_changed_is_shared_by_the_days_that_are_left(budget: str, day: str) -> None:
    """Raised, with what was saved; lowered, without; below what is spent, nothing."""
    first = allow(MonthLeft(usd(30), usd(0), 30), None)
    second = allow(MonthLeft(usd(budget), usd("0.4"), 29), first)
    assert usd(day) == round(second.day_usd, 1)


def test_days_that_were_skipped_leave_their_share_to_all_that_follow() -> None:
    """After three days without a run the day has its saving of the last one, and a larger share."""
    first = allow(MonthLeft(usd(30), usd(0), 30), None)
    after = allow(MonthLeft(usd(30), usd(1), 26), first)
    assert usd(29) / 26 == after.day_usd


def test_the_dearest_call_can_be_admitted_on_the_last_day() -> None:
    """What a call needs to be admitted beyond its cost is no part of what the day may cost."""
    assert usd("0.7") == allow(MonthLeft(usd(30), usd(29), 1, kept_usd=usd("0.3")), None).day_usd


@pytest.mark.parametrize(
    ("month", "today", "left"),
    [
        (date(2026, 2, 1), date(2026, 2, 1), 28),
        (date(2028, 2, 1), date(2028, 2, 1), 29),
        (date(2026, 9, 1), date(2026, 9, 15), 16),
        (date(2026, 12, 1), date(2026, 12, 31), 1),
        (date(2026, 12, 1), date(2026, 11, 30), 31),
        (date(2026, 11, 1), date(2026, 12, 1), 1),
    ],
)
def test_the_days_that_are_left_are_those_of_the_ledgers_month(month: date, today: date, left: int) -> None:
    """In February, in a leap year, from the fifteenth on, on the last day; and if the clocks disagree at midnight."""
    assert left == days_left(month, today)


@pytest.mark.parametrize("days", [28, 30, 31])
@pytest.mark.parametrize("part", ["0.35", "0.667", "0.9"])
def test_a_month_lasts_and_its_budget_is_used(days: int, part: str) -> None:
    """With rotation a part of what a month would cost is asked on each of its days, and almost all of it is spent."""
    turns = [PromptTurn(number, 1, usd("0.5")) for number in range(10)]
    budget, committed, before, asked = usd(part) * 10 * days, usd(0), None, []
    for day in range(days):
        before = allow(MonthLeft(budget, committed, days - day), before)
        (choice,) = plan_day(before, [ProjectDay(1, 1, {"openai": cost("1")}, turns)], ROTATION).choices
        committed += choice.expected_usd * usd("1.01")  # what is asked costs a little more than was expected
        asked.append(choice.asked)
    assert min(asked) > 0
    assert usd("0.97") * budget <= committed <= budget * usd("1.001")
