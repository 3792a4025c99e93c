"""How one language writes numbers: decimals, thousands, percentages; nothing is rounded to all, to none or to -0."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from llm_monitoring.domain import usd_places

NONE: Final = "–"
MINUS: Final = "\N{MINUS SIGN}"
ALL: Final = Decimal(100)


class Numbers:
    """Numbers as a language writes them; `form` has `decimal`, `group`, `group_from` and `percent`."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.form = form

    def number(self, value: Decimal | int | None, places: int = 0) -> str:
        if value is None:
            return NONE
        exact = rounded(value, places)
        whole, _, rest = format(abs(exact), ",f").partition(".")
        if len(whole.replace(",", "")) < self.form["group_from"]:
            whole = whole.replace(",", "")
        sign = MINUS if exact < 0 else ""
        return sign + whole.replace(",", self.form["group"]) + (self.form["decimal"] + rest if rest else "")

    def usd(self, amount: Decimal) -> str:
        """An amount of money without its sign: in cents from a dollar on, below that with four decimals."""
        return self.number(amount, usd_places(amount))

    def signed(self, value: Decimal | None, places: int = 1) -> str:
        """A difference with its sign; one that rounds to none gets another decimal."""
        if value is None:
            return NONE
        if value and not rounded(value, places):
            places += 1
        text = self.number(value, places)
        return f"+{text}" if rounded(value, places) > 0 else text

    def percent(self, value: Decimal | None, places: int = 1) -> str:
        """A percentage: “<0.1%” or “>99.9%” if it is neither none nor all but rounds to it."""
        if value is None:
            return NONE
        least = Decimal(1).scaleb(-places)
        if 0 < value < ALL and rounded(value, places) in (0, ALL):
            sign, edge = ("<", least) if value < 50 else (">", ALL - least)
            return sign + self.with_sign(edge, places)
        return self.with_sign(value, places)

    def bound(self, value: Decimal, places: int = 1) -> str:
        """An end of an interval of percentages, without its sign, with another decimal if it rounds to none or all."""
        inside = 0 < value < ALL and rounded(value, places) in (0, ALL)
        return self.number(value, places + 1 if inside else places)

    def with_sign(self, value: Decimal, places: int) -> str:
        text: str = self.form["percent"].format(self.number(value, places))
        return text

    def between(self, low: Decimal | None, high: Decimal | None, unit: str) -> str:
        """An interval: “47.2–60.4%” for `unit` percent, “1.8–2.9” for places, “0.61–0.75” for a score."""
        if low is None or high is None:
            return NONE
        if unit == "percent":
            text: str = self.form["percent"].format(f"{self.bound(low)}–{self.bound(high)}")
            return text
        places = 2 if unit == "score" else 1
        return f"{self.number(low, places)}–{self.number(high, places)}"

    def figure(self, value: Decimal | None, unit: str) -> str:
        return self.percent(value) if unit == "percent" else self.number(value, 2 if unit == "score" else 1)


def rounded(value: Decimal | int, places: int) -> Decimal:
    """`value` with that many decimals; zero has no sign."""
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN) + 0
