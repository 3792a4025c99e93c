"""The filters of an address, without a service."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from llm_monitoring.figures.periods import Period
from llm_monitoring.web.pages.filters import FilterBar, Filters, read_filters
from llm_monitoring.web.problems import Problem

TODAY = date(2026, 11, 28)
CHOSEN = Filters(date(2026, 11, 1), date(2026, 11, 28), provider="google", tag="precio & más")


def history(days: int) -> Period:
    return Period(date.fromordinal(TODAY.toordinal() - days + 1), TODAY)


def test_a_link_is_read_as_it_was_made() -> None:
    """What an address says is what the filters were, whatever a tag holds."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(CHOSEN.link("/x")).query).items()}
    query["first"], query["last"] = query.pop("from"), query.pop("to")
    assert CHOSEN == read_filters(**query)


def test_no_filter_leaves_the_path_alone() -> None:
    """A page without filters has a clean address."""
    assert "/projects/7" == Filters().link("/projects/7")


def test_a_link_changes_adds_and_leaves_out() -> None:
    """Changes replace a filter, None leaves it out, and other names are added."""
    link = CHOSEN.link(
        "/a", first=date(2026, 11, 2), tag=None, provider=None, counted_in="mention_rate", mentioned=True
    )
    assert "/a?to=2026-11-28&from=2026-11-02&counted_in=mention_rate&mentioned=true" == link


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"first": "yesterday"}, "query:from"),
        ({"first": "2026-11-02", "last": "2026-11-01"}, "query:to"),
        ({"compare_from": "2026-11-01"}, "query:compare_to"),
        ({"compare_to": "2026-11-01"}, "query:compare_from"),
        ({"compare_from": "2026-11-02", "compare_to": "2026-11-01"}, "query:compare_to"),
        ({"provider": "mistral"}, "query:provider"),
    ],
)
def test_a_wrong_value_is_named(query: dict[str, Any], pointer: str) -> None:
    """A value that cannot be used is refused by its name in the address."""
    with pytest.raises(Problem) as caught:
        read_filters(**query)
    assert [pointer] == [each.pointer for each in caught.value.errors]


def test_empty_values_are_none() -> None:
    """A form sends its empty fields, and they filter nothing."""
    empty = dict.fromkeys(("first", "last", "compare_from", "compare_to", "provider", "tag"), "")
    assert Filters() == read_filters(**empty)


@pytest.mark.parametrize(("measured", "days"), [(1, 1), (13, 13), (14, 7), (31, 15), (59, 29), (60, 30), (400, 30)])
def test_the_period_leaves_as_many_days_to_compare_it_with(measured: int, days: int) -> None:
    """The last thirty days, or half of a shorter history; a history below two weeks is shown whole."""
    period, compared = Filters().periods(history(measured), TODAY)
    assert days == period.days
    assert days == compared.days
    assert TODAY == period.last


def test_chosen_periods_hold() -> None:
    """The days of an address are those that are shown and compared."""
    chosen = Filters(date(2026, 11, 8), date(2026, 11, 14), date(2026, 10, 1), date(2026, 10, 7))
    assert (Period(date(2026, 11, 8), date(2026, 11, 14)), Period(date(2026, 10, 1), date(2026, 10, 7))) == (
        chosen.periods(history(60), TODAY)
    )


def test_a_month_is_compared_with_the_month_before() -> None:
    """A whole calendar month is compared with the month before it."""
    _, compared = Filters(date(2026, 11, 1), date(2026, 11, 30)).periods(history(60), TODAY)
    assert Period(date(2026, 10, 1), date(2026, 10, 31)) == compared


def test_presets_keep_the_other_filters() -> None:
    """A preset changes the days, forgets a comparison of other days, and keeps the rest."""
    chosen = Filters(compare_from=date(2026, 10, 1), compare_to=date(2026, 10, 7), provider="google")
    bar = FilterBar("/p", chosen, *chosen.periods(history(60), TODAY), ("google",))
    week = bar.presets[0]
    assert (7, "/p?provider=google&from=2026-11-22&to=2026-11-28", False) == week
