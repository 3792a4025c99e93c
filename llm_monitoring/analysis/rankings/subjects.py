"""What an item of a ranking is about, and the number that it shows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from string import ascii_letters

from llm_monitoring.analysis.mentions.matching import Match
from llm_monitoring.analysis.rankings.letters import LETTERED
from llm_monitoring.analysis.rankings.options import ARTICLE, QUOTE
from llm_monitoring.analysis.rankings.phrases import ARTICLES, INDEFINITE, PLACE_WORDS, joiners
from llm_monitoring.analysis.text.blocks import Prose, Span

MEDALS = {"🥇": 1, "🥈": 2, "🥉": 3}
KEYCAP = re.compile("(?:[0-9]\ufe0f?\u20e3)+|🔟")
CIRCLED = re.compile("[\u2460-\u249b\u24eb-\u24fe\u2776-\u2793]")
HAN_NUMBER = "(?:[二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])"
ORDINAL_ENDING = "(?:st|nd|rd|th|er|ère|e|ème|(?<=\\d)(?:ste|de|:[ae]|-?[еяй]|[rntèη]))"
BEFORE_PLACE = "(?:\\.?[ºª°]|\\.|[-:]?[^\\W\\d_]{1,3})?"
# "1er lugar: Holded", "2. Platz – Holded", "Platz 2: Holded": the word of place is part of the number.
PLACE = f"(?i:{'|'.join(PLACE_WORDS)})"
# In any digits: "１．" and "١." read as "1." does; a Han number needs a mark or a word of place ("二、", "第三名").
NUMBERED = re.compile(
    r"(?=[\d#№Nn(（【［〔〖「『\[第一二三四五六七八九十])(?:"
    r"(?:#\s?|№\s?|[Nn](?:\.?[º°o]|r|um)\.?\s?)(?P<hash>\d{1,3})(?![\w%])[.):]?"
    rf"|(?:\((?P<round>\d{{1,3}})\)(?=\s)|（(?P<wide>\d{{1,3}}|{HAN_NUMBER})）)"
    rf"|[【［〔〖「『\[(（]\s?第?(?P<boxed>\d{{1,3}}|{HAN_NUMBER})\s?(?:(?:位|名|위)\s?[】］〕〗」』\])）]|[】］〕〗])"
    rf"|(?P<ordinal>\d{{1,3}})\s?(?:{BEFORE_PLACE}\s{PLACE}(?=\s?[-–—:：.])"
    rf"|\.?[ºª°][.):]?(?!\w*%)|{ORDINAL_ENDING}(?=\s?[-–—:.])[.):]?(?!\w*%))"
    r"|(?P<point>\d{1,3})(?:\.?[)）]|\.)(?=\s|$|[^\w\s.,]|[^\W\d_a-zß-öø-ÿ])"
    r"|(?P<dash>\d{1,3})(?:\s*[-–—]|[:/])(?=\s)"
    r"|第?(?P<place>\d{1,3})(?:(?:位|名|위)\s?[:：.、)）]?|、|．)"
    rf"|(?:第(?=..?.?[位名])|(?=..?.?[位名]\s?[:：、])|(?=..?.?[、．：]))(?P<han>{HAN_NUMBER})(?:[位名]\s?[:：.、)）]?|[、．：])"
    r")"
)
# Letters that open no marker: neither a word of place nor the one for number or top.
PLAIN_OPENINGS = frozenset(ascii_letters) - {
    letter for word in (*PLACE_WORDS, "n", "top") for letter in (word[0], word[0].upper())
}
RANK_WORD = re.compile(
    rf"(?:{PLACE}\s#?(?P<number>\d{{1,3}})\s?[-–—:：.]"
    r"|top\s?(?P<top>\d{1,3})(?:\s?[-–—:：.、]|(?=\s(?-i:[^\Wa-z\d_]))))",
    re.IGNORECASE,
)
PLACE_LABEL = re.compile(rf"{PLACE}\s?[-–—:：]\s*")
AFTER_MARKER = re.compile(r"\s?[:：](?=\s|[^\x00-\x7f])")
HAN_DIGITS = {digit: number for number, digit in enumerate("一二三四五六七八九十", 1)}
DECORATION = re.compile(
    "(?:[\\s\ufe0f\u20e3\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u2022\u00b7*_~|>\u2190-\u21ff\u2300-\u2bff"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f\u25a0-\u25ff]|[\u2013\u2014-](?=\\s))+"
)
OPENING_QUOTES = re.compile(rf"(?:{QUOTE}|[【\[(])?\s*")
DELIMITER = re.compile(r"[:：–—(（\n]|\s-\s|[.。](?=\s|$)|。")
RANK_CELL = re.compile(
    r"\W*(?:n[ºo°.]*\s?)?(?:第\s?)?(?P<number>\d{1,3})\s?(?:\.?[ºª°]|[.)]|位|名|위|st|nd|rd|th|er|e)?\W*", re.IGNORECASE
)
PLAIN_NUMBER = re.compile(r"(?:#|top)?\s?(\d{1,3})", re.IGNORECASE)
CAPITALISED = r"(?:[^\W_a-zß-öø-ÿ][\w.&'’-]{0,40}\s?){1,3}"
# "Close, a HubSpot alternative" says what Close is: the article opens a description, and a common word goes on.
INDEFINITE_END = re.compile(rf".*[\s,](?:{INDEFINITE})\s*", re.IGNORECASE | re.DOTALL)
# Maker and product: nothing between two names but a space and a trade mark.
ADJACENT = re.compile(r"[®™]?[^\S\n]*")


@dataclass(frozen=True, slots=True)
class Joining:
    """The patterns of what joins two names, in a text of one language."""

    between: re.Pattern[str]
    """Between two names of a subject: a joiner, or joiners around names that are not tracked."""
    strong: re.Pattern[str]
    """Between a subject and a name after it."""
    gap: re.Pattern[str]
    """Between two bold or linked stretches that are one subject."""
    goes_on: re.Pattern[str]
    """A common word after a name."""


@cache
def joining(language: str | None) -> Joining:
    """The patterns of a language; None if it is not known."""
    words = joiners(language)
    joined = rf"\s*(?i:{words})\s*(?i:(?:{ARTICLES})\s*)?"
    return Joining(
        re.compile(rf"{joined}(?:{CAPITALISED}{joined}){{0,6}}"),
        re.compile(rf"(?!\s*,\s*(?i:{ARTICLES})?\s*$){joined}"),
        re.compile(rf"\s*(?:{words})\s*(?:(?:{ARTICLES})\s*)?", re.IGNORECASE),
        re.compile(rf"\s+(?!(?i:{words})\s)(?=[^\W\d_])(?P<word>\w+)"),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """An occurrence of an entity, and whether the model says there that it knows nothing of it."""

    match: Match
    absent: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """How an item opens: the number it shows, and where its words begin."""

    number: int | None
    position: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What an item is about: the stretch of text, and whether a name may stand anywhere in it."""

    start: int
    end: int
    whole: bool


def lines_of(prose: Prose) -> list[Prose]:
    """The lines of a paragraph that has several."""
    edges = [prose.start, *prose.lines, prose.end]
    lines: list[Prose] = []
    spans = iter(sorted(prose.strong, key=lambda span: span.start))
    span: Span | None = next(spans, None)
    for start, end in pairwise(edges):
        strong: list[Span] = []
        while span is not None and span.start < end:
            strong.append(span)
            span = next(spans, None)
        lines.append(Prose(start, end, strong))
    return lines


def read_marker(text: str, position: int, end: int) -> tuple[int, int] | None:
    """The number that a marker at this position shows, and where the marker ends."""
    if text[position : position + 1] in MEDALS:
        return MEDALS[text[position]], position + 1
    keycap = KEYCAP.match(text, position, end)
    if keycap:
        digits = re.sub(r"[^0-9]", "", keycap.group())
        return int(digits) if digits else 10, keycap.end()
    circled = CIRCLED.match(text, position, end)
    if circled:
        return int(unicodedata.numeric(circled.group())), circled.end()
    found = NUMBERED.match(text, position, end) or RANK_WORD.match(text, position, end)
    if found is None:
        return None
    return read_number(next(group for group in found.groups() if group is not None)), found.end()


def read_number(written: str) -> int:
    """A number in digits of any script, or in Han numbers up to 99."""
    if written[0] not in HAN_DIGITS:
        return int(written)
    tens, ten, units = written.rpartition("十")
    return (HAN_DIGITS.get(tens, 1) * 10 if ten else 0) + HAN_DIGITS.get(units, 0)


def read_opening(text: str, prose: Prose, place: int | None = None) -> Opening:
    """Skip what stands before the words of an item: emoji, bullets, medals and numbers.

    `place` is that of an item of a lettered list, of which the letter is skipped, or of one with a trophy.
    """
    number: int | None = None
    position = prose.start
    while position < prose.end and (place is not None or text[position] not in PLAIN_OPENINGS):
        marker = read_marker(text, position, prose.end)
        if number is not None and marker is not None:
            marker = repeated(marker, number) or read_medal(text, position)
        if marker is None and number is None:
            marker = bold_number(text, prose, position) or read_letter(text, position, place)
        if marker is not None:
            number = marker[0] if number is None else number
            colon = AFTER_MARKER.match(text, marker[1], prose.end)
            position = colon.end() if colon else marker[1]
        elif decoration := DECORATION.match(text, position, prose.end):
            position = decoration.end()
        else:
            break
    return Opening(place if number is None else number, position)


def past_place(text: str, opening: Opening, end: int) -> Opening:
    """The opening of an item of a numbered list, without a word of place that belongs to the number ("2. Platz: …")."""
    label = PLACE_LABEL.match(text, opening.position, end)
    return Opening(opening.number, label.end()) if label else opening


def repeated(marker: tuple[int, int], number: int) -> tuple[int, int] | None:
    """A marker that shows the number a second time, after a medal ("🥈 2. Holded")."""
    return marker if marker[0] == number else None


def read_medal(text: str, position: int) -> tuple[int, int] | None:
    """A medal that stands after a number is decoration."""
    return (MEDALS[text[position]], position + 1) if text[position] in MEDALS else None


def read_letter(text: str, position: int, lettered: int | None) -> tuple[int, int] | None:
    """The marker of a lettered item."""
    found = LETTERED.match(text, position) if lettered is not None else None
    return (lettered, found.end()) if lettered is not None and found else None


def bold_number(text: str, prose: Prose, position: int) -> tuple[int, int] | None:
    """A bold stretch that holds a number and nothing else (`**1** Name`)."""
    for span in prose.strong:
        if span.start == position and span.end < prose.end:
            found = PLAIN_NUMBER.fullmatch(text, span.start, span.end)
            if found:
                return int(found[1]), span.end
    return None


def read_subject(text: str, prose: Prose, opening: Opening, joining: Joining) -> Subject:
    """The leading bold or link text, whole; else the text up to the first delimiter."""
    lead = leading_strong(text, prose, opening.position, joining)
    if lead is not None:
        return Subject(max(lead.start, opening.position), lead.end, True)
    found = DELIMITER.search(text, opening.position, prose.end)
    return Subject(opening.position, found.start() if found else prose.end, False)


def leading_strong(text: str, prose: Prose, position: int, joining: Joining) -> Span | None:
    """The widest bold or link that covers the first word, quotes aside, joined with those that follow it."""
    if not prose.strong:
        return None
    quoted = OPENING_QUOTES.match(text, position)
    first = quoted.end() if quoted else position
    spans = sorted(prose.strong, key=lambda span: (span.start, -span.end))
    lead: Span | None = None
    for span in spans:
        if lead is None:
            if span.start <= first < span.end:
                lead = span
        elif span.start >= lead.end:
            if not joining.gap.fullmatch(text, lead.end, span.start):
                break
            lead = Span(lead.start, span.end)
    return lead


def holders(text: str, subject: Subject, named: Sequence[Named], limit: int, joining: Joining) -> tuple[int, ...]:
    """The entities that hold an item, given the occurrences from its subject on: joined ones, else the first."""
    first = named[0]
    if not subject.whole and not ARTICLE.fullmatch(text, subject.start, first.match.start):
        return ()
    chain = [first]
    for one in named[1:]:
        beyond = one.match.start >= subject.end
        if one.match.start >= limit or (beyond and not subject.whole):
            break
        if not stand_together(text, chain[-1], one, beyond, joining):
            break
        chain.append(one)
    return tuple(dict.fromkeys(one.match.owner for one in chain if not one.absent))


def stand_together(text: str, before: Named, one: Named, beyond: bool, joining: Joining) -> bool:
    """Whether two names in a row are one subject: side by side in it, or joined."""
    if not beyond and ADJACENT.fullmatch(text, before.match.end, one.match.start):
        return True
    joiner = joining.strong if beyond else joining.between
    if not joiner.fullmatch(text, before.match.end, one.match.start):
        return False
    return not is_description(text, before, one, joining)


def is_description(text: str, before: Named, one: Named, joining: Joining) -> bool:
    """Whether a name stands in a description of the one before it, not next to it."""
    if not INDEFINITE_END.fullmatch(text, before.match.end, one.match.start):
        return False
    after = joining.goes_on.match(text, one.match.end)
    return after is not None and after["word"].islower()


def rank_of_cell(cell: str) -> int | None:
    """The rank that a whole cell reads, if it reads one."""
    stripped = cell.strip()
    if not stripped or stripped[0] in PLAIN_OPENINGS:
        return None
    found = RANK_CELL.fullmatch(stripped)
    if found:
        return int(found["number"])
    marker = read_marker(stripped, 0, len(stripped))
    if marker is None:
        return None
    rest = stripped[marker[1] :]
    return marker[0] if not rest.strip(" \ufe0f.)") or rank_of_cell(rest) == marker[0] else None
