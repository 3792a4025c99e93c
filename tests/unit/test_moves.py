"""Where a change of the mention rate comes from: each provider's part, each prompt's own change."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from llm_monitoring.figures.comparison import compare
from llm_monitoring.figures.movers import prompt_changes, provider_parts
from llm_monitoring.figures.observations import Observation
from llm_monitoring.jobs.observed_notices import move_notice
from llm_monitoring.notify.detectors import Move
from tests.unit.analysis_figures.answers import FIRST_DAY, NEXT_MONTH, answer
from tests.unit.reporting.scene import project

PROMPTS = 20


def answers(rates: Mapping[str, int], *, later: bool) -> list[Observation]:
    """Return an answer a prompt of each provider; of its prompts the first ones mention the brand."""
    day = NEXT_MONTH if later else FIRST_DAY
    return [
        answer(number, provider=provider, day=day, mentioned=number < mentions)
        for provider, mentions in rates.items()
        for number in range(PROMPTS)
    ]


def move(before: Mapping[str, int], after: Mapping[str, int]) -> Move:
    earlier, later = answers(before, later=False), answers(after, later=True)
    return Move(project(), compare(earlier, later, ()), provider_parts(earlier, later))


def test_parts_add_up() -> None:
    """The parts of all providers are the whole difference, the largest first."""
    found = move({"openai": 18, "google": 19, "anthropic": 10}, {"openai": 16, "google": 1, "anthropic": 11})
    assert ["google", "openai", "anthropic"] == [part.provider for part in found.parts]
    assert found.comparison.mention_rate.difference is not None
    total = sum((part.part or Decimal(0) for part in found.parts), Decimal(0))
    assert abs(found.comparison.mention_rate.difference - total) <= Decimal("0.02")
    assert Decimal("95.00") == found.parts[0].before
    assert Decimal("5.00") == found.parts[0].after
    assert Decimal("-30.00") == found.parts[0].part


@pytest.mark.parametrize(
    ("before", "after", "origin", "said"),
    [
        ({"openai": 18, "google": 19}, {"openai": 18, "google": 1}, "one_provider",
         "; casi todo viene de Gemini, del 95,0\N{NO-BREAK SPACE}% al 5,0\N{NO-BREAK SPACE}%"),
        ({"openai": 18, "google": 18}, {"openai": 6, "google": 4}, "every_provider",
         "; se mueven todos los asistentes: Gemini \N{MINUS SIGN}35,0, ChatGPT \N{MINUS SIGN}30,0"),
        ({"openai": 18, "google": 18, "perplexity": 9}, {"openai": 6, "google": 4, "perplexity": 9}, "some_providers",
         "; por asistente: Gemini \N{MINUS SIGN}23,3, ChatGPT \N{MINUS SIGN}20,0, Perplexity 0,0"),
        ({"openai": 18}, {"openai": 6}, "only_provider", "20 prompts)"),
    ],
)  # fmt: skip
def test_the_digest_names_who_moved(before: dict[str, int], after: dict[str, int], origin: str, said: str) -> None:
    """A fall says whether it is one assistant's, some assistants' or everyone's, with figures."""
    found = move(before, after)
    assert origin == found.origin
    assert move_notice(found).line.endswith(said)


def test_prompts_that_moved() -> None:
    """Each prompt has its rates, the answers that they rest on and an interval; what moved most comes first."""
    before = [answer(n, day=FIRST_DAY, sample=s, mentioned=True) for n in range(3) for s in range(1, 13)]
    after = [answer(n, day=NEXT_MONTH, sample=s, mentioned=n != 1) for n in range(4) for s in range(1, 13)]
    found = prompt_changes(before, after)
    assert [1, 0, 2, 3] == [change.query_id for change in found]
    assert "down" == found[0].verdict
    assert Decimal("-100.00") == found[0].difference
    assert 12 == found[0].answers_before
    assert 12 == found[0].answers
    assert "within noise" == found[1].verdict
    assert "too little data" == found[3].verdict
    assert found[1].low is not None
    assert found[1].low < 0
