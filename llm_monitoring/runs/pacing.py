"""What of a day is left out so that a user's budget lasts the month: arithmetic on expected costs, without a database.

A ladder is the order in which a user gives things up. Each of its steps is taken only if the day does not fit its share
of the month without it, and only as far as the share asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from llm_monitoring.domain import PacingStep, ProviderName, Task

LEAST_WIDTH: Final = Decimal("0.1")
"""The narrowest interval that counts: what is known well is still asked a tenth as often as what is not known."""


@dataclass(frozen=True, slots=True)
class MonthLeft:
    """A user's month before a day is asked, in USD; `committed_usd` is what is spent and reserved.

    `days` are left, this one included. `kept_usd`: what the dearest call needs to be admitted, beyond what it costs.
    """

    budget_usd: Decimal
    committed_usd: Decimal
    days: int
    kept_usd: Decimal = Decimal(0)

    @property
    def left_usd(self) -> Decimal:
        return max(Decimal(0), self.budget_usd - self.committed_usd - self.kept_usd)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a day may cost in USD: an equal `share_usd` of the rest of the month; `day_usd` with what days before saved.

    `budget_usd` and `committed_usd` are those of the month when it was computed.
    """

    budget_usd: Decimal
    committed_usd: Decimal
    share_usd: Decimal
    day_usd: Decimal


def allow(month: MonthLeft, before: Allowance | None) -> Allowance:
    """The allowance of a day; `before`: that of the last planned day of the same month.

    What a day spends beyond its allowance is taken from all days that are left; what it saves is the next day's. A
    budget that was lowered meanwhile has no savings.
    """
    left, saved = month.left_usd, Decimal(0)
    if before is not None and before.budget_usd <= month.budget_usd:
        spent = month.committed_usd - before.committed_usd
        saved = min(left, max(Decimal(0), before.day_usd - spent))
    return Allowance(
        month.budget_usd,
        month.committed_usd,
        share_usd=left / month.days,
        day_usd=(left - saved) / month.days + saved,
    )


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What one task is expected to cost in USD: its answer, the same in the cheaper mode, the sentiment of it."""

    answer_usd: Decimal
    cheaper_usd: Decimal
    sentiment_usd: Decimal


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """A prompt that is open: `days` since it was last asked, `width` (0 to 1) of the interval of its mention rate.

    `answers`: how many the interval rests on; of two that are as urgent the one with fewer is asked.
    """

    query_id: int
    days: int
    width: Decimal
    answers: int = 0

    @property
    def urgency(self) -> Decimal:
        """It grows with each day without an answer, so that no prompt is left out for ever."""
        return self.days * max(self.width, LEAST_WIDTH)

    @property
    def rank(self) -> tuple[Decimal, int, int]:
        """The place among other prompts: the first is the most urgent."""
        return -self.urgency, self.answers, self.query_id


@dataclass(frozen=True, slots=True)
class ProjectDay:
    """What is open of a project's day. `in_full`: it was ordered, so that nothing of it is left out."""

    project_id: int
    samples: int
    costs: Mapping[ProviderName, TaskCost]
    turns: Sequence[PromptTurn]
    in_full: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of a project's day. `steps` are those that leave something out of it.

    Samples beyond `samples`, the providers `left_out` and the prompts `resting` are not asked.
    """

    project_id: int
    samples: int
    prompts: int
    expected_usd: Decimal
    steps: tuple[PacingStep, ...] = ()
    left_out: tuple[ProviderName, ...] = ()
    resting: frozenset[int] = frozenset()

    @property
    def asked(self) -> int:
        """How many prompts are asked."""
        return self.prompts - len(self.resting)

    def asks(self, task: Task) -> bool:
        kept = task.sample <= self.samples and task.provider not in self.left_out
        return kept and task.query_id not in self.resting


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A user's day: what it may cost, what it would cost in full, and what is asked of each project, in USD."""

    allowance: Allowance
    full_usd: Decimal
    choices: tuple[Choice, ...]

    @property
    def expected_usd(self) -> Decimal:
        return sum((each.expected_usd for each in self.choices), Decimal(0))

    @property
    def suffices(self) -> bool:
        """Whether the ladder saves enough."""
        return self.expected_usd <= self.allowance.day_usd


@dataclass(frozen=True, slots=True)
class Selection:
    """How far the ladder is taken, for all projects of a user; the whole day by default. `asked` None: all prompts."""

    steps: tuple[PacingStep, ...] = ()
    samples: int | None = None
    asked: frozenset[int] | None = None
    dropped: tuple[ProviderName, ...] = ()

    def samples_of(self, project: ProjectDay) -> int:
        return project.samples if project.in_full else min(project.samples, self.samples or project.samples)

    def providers_of(self, project: ProjectDay) -> list[ProviderName]:
        """The providers that are asked; the cheapest stays if all were dropped."""
        if project.in_full or not project.costs:
            return list(project.costs)
        kept = [name for name in project.costs if name not in self.dropped]
        return kept or [min(project.costs, key=lambda name: self.task_usd(project, name))]

    def turns_of(self, project: ProjectDay) -> list[PromptTurn]:
        if project.in_full or self.asked is None:
            return list(project.turns)
        return [turn for turn in project.turns if turn.query_id in self.asked]

    def task_usd(self, project: ProjectDay, name: ProviderName) -> Decimal:
        cost, taken = project.costs[name], () if project.in_full else self.steps
        answer = cost.cheaper_usd if "mode" in taken else cost.answer_usd
        return answer if "sentiment" in taken else answer + cost.sentiment_usd

    def prompt_usd(self, project: ProjectDay) -> Decimal:
        tasks = (self.task_usd(project, name) for name in self.providers_of(project))
        return self.samples_of(project) * sum(tasks, Decimal(0))

    def project_usd(self, project: ProjectDay) -> Decimal:
        return self.prompt_usd(project) * len(self.turns_of(project))

    def day_usd(self, projects: Sequence[ProjectDay]) -> Decimal:
        return sum((self.project_usd(project) for project in projects), Decimal(0))


Projects = Sequence[ProjectDay]
WHOLE: Final = Selection()


def plan_day(allowance: Allowance, projects: Projects, ladder: Sequence[PacingStep]) -> DayPlan:
    """Choose what of a day is asked: the ladder is taken step by step until the day fits its share.

    What days before saved goes to prompts in rotation alone: the other steps hold until the share covers them.
    """
    selection = WHOLE
    for step in ladder:
        if selection.day_usd(projects) <= allowance.share_usd:
            break
        taken = TAKE[step](replace(selection, steps=(*selection.steps, step)), projects, allowance.share_usd)
        if step == "rotation" or taken.day_usd(projects) < selection.day_usd(projects):
            selection = taken
    if "rotation" in selection.steps:
        selection = replace(selection, asked=in_turn(selection, projects, allowance.day_usd))
    choices = tuple(choice_of(project, selection) for project in projects)
    return DayPlan(allowance, WHOLE.day_usd(projects), choices)


def as_it_is(selection: Selection, projects: Projects, limit: Decimal) -> Selection:
    """A step that the costs of the selection know of already."""
    return selection


def fewer_samples(selection: Selection, projects: Projects, limit: Decimal) -> Selection:
    """As many samples of each prompt as fit, at least the first."""
    most = max((project.samples for project in projects if not project.in_full), default=1)
    levels = [replace(selection, samples=samples) for samples in range(most - 1, 0, -1)] or [selection]
    return next((each for each in levels if each.day_usd(projects) <= limit), levels[-1])


def rotated(selection: Selection, projects: Projects, limit: Decimal) -> Selection:
    """As many prompts as fit, at least one of each project."""
    least = {turns[0].query_id for project in projects if (turns := by_urgency(project))}
    return replace(selection, asked=in_turn(selection, projects, limit) | least)


def fewer_providers(selection: Selection, projects: Projects, limit: Decimal) -> Selection:
    """Without as many of the dearest providers as it takes."""
    cheapest_first = sorted({name for each in projects for name in each.costs}, key=mean_cost(selection, projects))
    dropped: tuple[ProviderName, ...] = ()
    for name in reversed(cheapest_first[1:]):
        if replace(selection, dropped=dropped).day_usd(projects) <= limit:
            break
        dropped = (*dropped, name)
    return replace(selection, dropped=dropped)


def mean_cost(selection: Selection, projects: Projects) -> Callable[[ProviderName], tuple[Decimal, str]]:
    """What a task costs at a provider on average, names breaking a tie."""

    def of(name: ProviderName) -> tuple[Decimal, str]:
        costs = [selection.task_usd(project, name) for project in projects if name in project.costs]
        return sum(costs, Decimal(0)) / len(costs), name

    return of


TAKE: Final[Mapping[PacingStep, Callable[[Selection, Projects, Decimal], Selection]]] = {
    "sentiment": as_it_is,
    "samples": fewer_samples,
    "mode": as_it_is,
    "rotation": rotated,
    "providers": fewer_providers,
}


def in_turn(selection: Selection, projects: Projects, limit: Decimal) -> frozenset[int]:
    """The prompts that fit: the most urgent of each project first, then the most urgent of all.

    The first that does not fit ends the day. If it is a project's first, the firsts of other projects have half of what
    is left, and the other half is saved for it: it has its turn when enough is saved.
    """
    left = limit - selection.day_usd([project for project in projects if project.in_full])
    asked, waiting = set(), False
    for is_first, project, turn in urgent_first([project for project in projects if not project.in_full]):
        cost = selection.prompt_usd(project)
        if not is_first and (waiting or cost > left):
            break
        if cost > left:
            left = left if waiting else left / 2
            waiting = True
            continue
        left -= cost
        asked.add(turn.query_id)
    return frozenset(asked)


def urgent_first(projects: Projects) -> Iterator[tuple[bool, ProjectDay, PromptTurn]]:
    """Prompts with their projects, and whether they are the first of theirs: these come before the others."""
    ranked = [
        (place > 0, turn.rank, project, turn) for project in projects for place, turn in enumerate(by_urgency(project))
    ]
    for is_later, _, project, turn in sorted(ranked, key=lambda each: each[:2]):
        yield not is_later, project, turn


def by_urgency(project: ProjectDay) -> list[PromptTurn]:
    return sorted(project.turns, key=lambda turn: turn.rank)


def choice_of(project: ProjectDay, selection: Selection) -> Choice:
    """What a selection asks of one project, with the steps that leave something out of it."""
    asked = {turn.query_id for turn in selection.turns_of(project)}
    kept = selection.providers_of(project)
    choice = Choice(
        project_id=project.project_id,
        samples=selection.samples_of(project),
        prompts=len(project.turns),
        expected_usd=selection.project_usd(project),
        left_out=tuple(name for name in project.costs if name not in kept),
        resting=frozenset(turn.query_id for turn in project.turns) - asked,
    )
    return replace(choice, steps=tuple(step for step in selection.steps if changes(step, choice, project)))


def changes(step: PacingStep, choice: Choice, project: ProjectDay) -> bool:
    """Whether a step leaves something out of a project's day."""
    if project.in_full:
        return False
    return {
        "sentiment": any(cost.sentiment_usd for cost in project.costs.values()),
        "samples": choice.samples < project.samples,
        "mode": any(cost.cheaper_usd < cost.answer_usd for cost in project.costs.values()),
        "rotation": bool(choice.resting),
        "providers": bool(choice.left_out),
    }[step]
