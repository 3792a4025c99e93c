"""The report's drawings as inline SVG: colours come from the page's style sheet, sizes from the viewer's width."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Final

import svg
from markupsafe import Markup, escape

from llm_monitoring.reporting.overview import BUCKETS, EntityRow, PositionRow, ToneRow
from llm_monitoring.reporting.trends import Point, Trend
from llm_monitoring.reporting.words import Words

Placed = tuple[float, Point]

WIDTH, HEIGHT = 440, 210
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 20, 26
BAR_WIDTH, BAR_HEIGHT = 240, 20
HIDDEN: Final = {"aria-hidden": "true", "focusable": "false"}
"""Every drawing has its numbers next to it, so a screen reader may skip the shapes."""


def drawing(
    width: float, height: float, name: str, elements: Sequence[svg.Element], plot: tuple[float, float] | None = None
) -> Markup:
    """The drawing; `plot` are the places of its first and last day, which a script of the page may read."""
    extra = {**HIDDEN, **({} if plot is None else {"data-first": str(plot[0]), "data-last": str(plot[1])})}
    # what the library writes is not escaped: the one text that is not ours goes through `label`
    canvas = svg.SVG(viewBox=svg.ViewBoxSpec(0, 0, width, height), class_=[name], elements=list(elements), extra=extra)
    return Markup(str(canvas))  # noqa: S704


def label(text: str, x: float, y: float, *names: str) -> svg.Text:
    return svg.Text(text=str(escape(text)), x=tidy(x), y=tidy(y), class_=list(names))


def tidy(value: float) -> float:
    return round(value, 1)


def trend_chart(trend: Trend, words: Words, width: int = WIDTH, noted: Collection[date] = ()) -> Markup:
    """A provider's mention rate: a dot a day, the mean of the days up to it as a line within its 95 % band.

    Days of `noted` have a mark on the axis.
    """
    last = max(1, len(trend.points) - 1)
    placed = [(LEFT + place * (width - LEFT - RIGHT) / last, point) for place, point in enumerate(trend.points)]
    elements: list[svg.Element] = [*grid(words, width), *days_axis(placed, words), *change_marks(trend, placed)]
    elements += note_marks(placed, noted)
    for measured in runs(placed):
        elements += [band(measured), line(measured)]
    if trend.window > 1:
        elements += [
            svg.Circle(cx=tidy(x), cy=height_of(point.rate), r=2, class_=["dot"])
            for x, point in placed
            if point.rate is not None
        ]
    name = f"trend {words.provider_class(trend.provider)}"
    return drawing(width, HEIGHT, name, elements, (LEFT, width - RIGHT))


def sparkline(points: Sequence[Point]) -> Markup:
    """A trend without axes, from 0 to 100 percent, with its band."""
    last = max(1, len(points) - 1)
    placed = [(place * WIDTH / last, point) for place, point in enumerate(points)]
    shapes = [each for measured in runs(placed) for each in (band(measured), line(measured))]
    floor = svg.Line(x1=0, x2=WIDTH, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_=["base"])
    return drawing(WIDTH, HEIGHT, "spark own", [floor, *shapes])


def height_of(percent: Decimal | None) -> float:
    return tidy(TOP + (100 - float(percent or 0)) / 100 * (HEIGHT - TOP - BOTTOM))


def grid(words: Words, width: int) -> Iterator[svg.Element]:
    for percent in (0, 25, 50, 75, 100):
        y = height_of(Decimal(percent))
        yield svg.Line(x1=LEFT, x2=width - RIGHT, y1=y, y2=y, class_=["base" if percent == 0 else "grid"])
        if percent % 50 == 0:
            yield label(words.percent(Decimal(percent), 0), LEFT - 6, y + 4, "tick", "end")


def days_axis(placed: Sequence[Placed], words: Words) -> Iterator[svg.Element]:
    shown = {0: "start", len(placed) // 2: "middle", len(placed) - 1: "end"}
    if len(placed) < 3:
        shown = {0: "start"}
    for place, anchor in shown.items():
        x, point = placed[place]
        yield label(words.short_day(point.day), x, HEIGHT - 8, "tick", anchor)


def change_marks(trend: Trend, placed: Sequence[Placed]) -> Iterator[svg.Element]:
    """A dashed line on each day on which another model began to answer, numbered as in the list below."""
    places = {point.day: x for x, point in placed}
    for number, change in enumerate(trend.changes, 1):
        x = tidy(places[change.day])
        yield svg.Line(x1=x, x2=x, y1=TOP - 4, y2=HEIGHT - BOTTOM, class_=["change"])
        yield label(str(number), x, TOP - 7, "tick", "middle", "strong")


def note_marks(placed: Sequence[Placed], noted: Collection[date]) -> Iterator[svg.Element]:
    """A triangle under the axis on each day with a note."""
    floor = HEIGHT - BOTTOM
    for x, point in placed:
        if point.day in noted:
            yield svg.Path(d=[*path([(x, floor), (x - 4, floor + 7), (x + 4, floor + 7)]), svg.Z()], class_=["note"])


def runs(placed: Sequence[Placed]) -> Iterator[list[Placed]]:
    """The stretches of days with answers: a day without any is a gap, never a line across."""
    for measured, some in groupby(placed, key=lambda each: each[1].smooth is not None):
        if measured:
            yield list(some)


def band(measured: Sequence[Placed]) -> svg.Path:
    half = 3.0 if len(measured) == 1 else 0.0
    upper = [(x, height_of(point.high)) for x, point in measured]
    lower = [(x, height_of(point.low)) for x, point in reversed(measured)]
    corners = [(upper[0][0] - half, upper[0][1]), *upper[1:], (upper[-1][0] + half, upper[-1][1])]
    corners += [(lower[0][0] + half, lower[0][1]), *lower[1:], (lower[-1][0] - half, lower[-1][1])]
    return svg.Path(d=[*path(corners), svg.Z()], class_=["band"])


def line(measured: Sequence[Placed]) -> svg.Element:
    points = [(x, height_of(point.smooth)) for x, point in measured]
    if len(points) == 1:
        return svg.Circle(cx=tidy(points[0][0]), cy=points[0][1], r=3.5, class_=["point"])
    return svg.Path(d=path(points), class_=["line"])


def path(points: Sequence[tuple[float, float]]) -> list[svg.PathData]:
    (x, y), *rest = points
    return [svg.M(tidy(x), y), *(svg.L(tidy(x), y) for x, y in rest)]


def range_bar(value: Decimal | None, low: Decimal | None, high: Decimal | None, *, is_brand: bool) -> Markup:
    """A percentage as a bar from zero, with its interval as a whisker."""
    middle, scale = BAR_HEIGHT / 2, BAR_WIDTH / 100
    elements: list[svg.Element] = [svg.Rect(x=0, y=4, width=BAR_WIDTH, height=12, rx=2, class_=["track"])]
    if value is not None:
        elements.append(svg.Rect(x=0, y=4, width=tidy(float(value) * scale), height=12, rx=2, class_=["fill"]))
    if low is not None and high is not None:
        start, end = tidy(float(low) * scale), tidy(float(high) * scale)
        elements += [svg.Line(x1=start, x2=end, y1=middle, y2=middle, class_=[name]) for name in ("halo", "whisker")]
        elements += [svg.Line(x1=x, x2=x, y1=middle - 4, y2=middle + 4, class_=["whisker"]) for x in (start, end)]
    return drawing(BAR_WIDTH, BAR_HEIGHT, f"bar {'own' if is_brand else 'rival'}", elements)


def entity_bar(row: EntityRow) -> Markup:
    return range_bar(row.mention_rate, row.low, row.high, is_brand=row.is_brand)


def tone_bar(row: ToneRow) -> Markup:
    """Positive, neutral and negative mentions as parts of one bar."""
    parts = (("positive", row.positive), ("neutral", row.neutral), ("negative", row.negative))
    total = sum(count for _, count in parts) or 1
    elements: list[svg.Element] = [svg.Rect(x=0, y=4, width=BAR_WIDTH, height=12, rx=2, class_=["track"])]
    x = 0.0
    for name, count in parts:
        width = count / total * BAR_WIDTH
        if count:
            elements.append(svg.Rect(x=tidy(x), y=4, width=tidy(max(1, width - 1)), height=12, class_=[name]))
        x += width
    return drawing(BAR_WIDTH, BAR_HEIGHT, "bar tone", elements)


def position_chart(row: PositionRow, words: Words) -> Markup:
    """How many answers put the brand at each place of a ranking."""
    high = max((*row.buckets, 1))
    step = (WIDTH - LEFT - RIGHT) / len(BUCKETS)
    floor = HEIGHT - BOTTOM
    elements: list[svg.Element] = [svg.Line(x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, class_=["base"])]
    for place, ((first, last), count) in enumerate(zip(BUCKETS, row.buckets, strict=True)):
        tall = count / high * (floor - TOP - 16)
        left = LEFT + place * step
        elements += [
            svg.Rect(
                x=tidy(left + step * 0.16),
                y=tidy(floor - tall),
                width=tidy(step * 0.68),
                height=tidy(tall),
                rx=2,
                class_=["fill"],
            ),
            label(words.number(count), left + step / 2, floor - tall - 6, "tick", "middle", "strong"),
            label(bucket_name(first, last), left + step / 2, HEIGHT - 8, "tick", "middle"),
        ]
    return drawing(WIDTH, HEIGHT, "histogram own", elements)


def bucket_name(first: int, last: int | None) -> str:
    if last is None:
        return f"{first}+"
    return str(first) if first == last else f"{first}–{last}"
