"""What an item of a ranking is about, and the number that it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_monitoring.analysis.blocks import Prose, Span
from llm_monitoring.analysis.finding import Match
from llm_monitoring.analysis.phrases import ARTICLES, INDEFINITE, JOINERS
from llm_monitoring.analysis.scripts import UNSPACED

MEDALS = {"🥇": 1, "🥈": 2, "🥉": 3}
KEYCAP = re.compile("(?:[0-9]\ufe0f?\u20e3)+|🔟")
CIRCLED = re.compile("[\u2460-\u2473\u2776-\u277f]")
NUMBERED = re.compile(
    r"(?:#\s?|№\s?|[Nn](?:\.?[º°o]|r|um)\.?\s?)(?P<hash>[0-9]{1,3})(?![\w%])[.):]?"
    r"|\((?P<round>[0-9]{1,3})\)(?=\s)"
    r"|(?P<ordinal>[0-9]{1,3})\s?(?:\.?[ºª°]|(?:st|nd|rd|th|er|ère|e|ème)(?=\s?[-–—:.]))[.):]?(?!\w*%)"
    rf"|(?P<point>[0-9]{{1,3}})[.)](?=\s|$|[^\w\s.,]|[A-ZÀ-ÖØ-ÞА-Я{UNSPACED}])"
    r"|(?P<dash>[0-9]{1,3})(?:\s+[-–—]|:)(?=\s)"
    r"|第?(?P<place>[0-9]{1,3})(?:(?:位|名|위)\s?[:：.、)）]?|、|．)"
)
RANK_WORD = re.compile(
    r"(?:puesto|posición|rank|place|platz|posto|posizione|lugar)\s(?P<number>[0-9]{1,3})\s?[-–—:.]", re.IGNORECASE
)
DECORATION = re.compile(
    "(?:[\\s\ufe0f\u20e3\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u2022\u00b7*_~|>\u2190-\u21ff\u2300-\u2bff"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f\u25a0-\u25ff]|[\u2013\u2014-](?=\\s))+"
)
OPENING_QUOTES = re.compile("[\"'«“‘„「『【\\[(]?\\s*")
DELIMITER = re.compile(r"[:：–—(（\n]|\s-\s|[.。](?=\s|$)|。")
RANK_CELL = re.compile(
    r"\W*(?:n[ºo°.]*\s?)?(?P<number>[0-9]{1,3})\s?(?:\.?[ºª°]|[.)]|位|名|위|st|nd|rd|th|er|e)?\W*", re.IGNORECASE
)
PLAIN_NUMBER = re.compile(r"#?\s?([0-9]{1,3})")
CAPITALISED = r"(?:[^\W_a-zß-öø-ÿ][\w.&'’-]{0,40}\s?){1,3}"
JOINED = rf"\s*(?i:{JOINERS})\s*(?i:(?:{ARTICLES})\s*)?"
# Between two names of a subject: a joiner, or joiners around names that nobody tracks.
JOINER = re.compile(rf"{JOINED}(?:{CAPITALISED}{JOINED}){{0,6}}")
STRONG_JOINER = re.compile(rf"(?!\s*,\s*(?i:{ARTICLES})?\s*$){JOINED}")
# "Close, a HubSpot alternative" says what Close is: the article opens a description, and a common word goes on.
INDEFINITE_END = re.compile(rf".*[\s,](?:{INDEFINITE})\s*", re.IGNORECASE | re.DOTALL)
GOES_ON = re.compile(rf"\s+(?!(?i:{JOINERS})\s)(?=[^\W\d_])(?P<word>\w+)")
ARTICLE = re.compile(rf"(?:{ARTICLES})?\s*[\"'«“‘„「『]?\s*[@#]?", re.IGNORECASE)


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
        code = ord(circled.group())
        return code - (0x245F if code < 0x2474 else 0x2775), circled.end()
    found = NUMBERED.match(text, position, end) or RANK_WORD.match(text, position, end)
    if found is None:
        return None
    return int(next(group for group in found.groups() if group is not None)), found.end()


def read_opening(text: str, prose: Prose) -> Opening:
    """Skip what stands before the words of an item: emoji, bullets, medals and numbers."""
    number: int | None = None
    position = prose.start
    while position < prose.end:
        marker = read_marker(text, position, prose.end) if number is None else read_medal(text, position)
        if marker is None and number is None:
            marker = bold_number(text, prose, position)
        decoration = DECORATION.match(text, position, prose.end)
        if marker is not None:
            number = marker[0] if number is None else number
            position = marker[1]
        elif decoration:
            position = decoration.end()
        else:
            break
    return Opening(number, position)


def read_medal(text: str, position: int) -> tuple[int, int] | None:
    """A medal that stands after a number is decoration."""
    return (MEDALS[text[position]], position + 1) if text[position] in MEDALS else None


def bold_number(text: str, prose: Prose, position: int) -> tuple[int, int] | None:
    """A bold stretch that holds a number and nothing else (`**1** Name`)."""
    for span in prose.strong:
        if span.start == position and span.end < prose.end:
            found = PLAIN_NUMBER.fullmatch(text, span.start, span.end)
            if found:
                return int(found[1]), span.end
    return None


def read_subject(text: str, prose: Prose, opening: Opening) -> Subject:
    """The leading bold or link text, whole; else the text up to the first delimiter."""
    lead = leading_strong(text, prose, opening.position)
    if lead is not None:
        return Subject(max(lead.start, opening.position), lead.end, True)
    found = DELIMITER.search(text, opening.position, prose.end)
    return Subject(opening.position, found.start() if found else prose.end, False)


def leading_strong(text: str, prose: Prose, position: int) -> Span | None:
    """The widest bold or link that covers the first word, quotes aside, joined with those that follow it."""
    quoted = OPENING_QUOTES.match(text, position)
    first = quoted.end() if quoted else position
    spans = sorted(prose.strong, key=lambda span: (span.start, -span.end))
    lead: Span | None = None
    for span in spans:
        if lead is None:
            if span.start <= first < span.end:
                lead = span
        elif span.start >= lead.end:
            if not STRONG_GAP.fullmatch(text, lead.end, span.start):
                break
            lead = Span(lead.start, span.end)
    return lead


STRONG_GAP = re.compile(rf"\s*(?:{JOINERS})\s*(?:(?:{ARTICLES})\s*)?", re.IGNORECASE)


def holders(text: str, subject: Subject, named: Sequence[Named], limit: int) -> tuple[int, ...]:
    """The entities that hold an item, given the occurrences in it: joined ones together, else the first alone."""
    inside = [one for one in named if subject.start <= one.match.start < subject.end]
    if not inside:
        return ()
    first = inside[0]
    if not subject.whole and not ARTICLE.fullmatch(text, subject.start, first.match.start):
        return ()
    chain = [first]
    for one in named[named.index(first) + 1 :]:
        beyond = one.match.start >= subject.end
        if one.match.start >= limit or (beyond and not subject.whole):
            break
        joiner = STRONG_JOINER if beyond else JOINER
        if not joiner.fullmatch(text, chain[-1].match.end, one.match.start) or is_description(text, chain[-1], one):
            break
        chain.append(one)
    return tuple(dict.fromkeys(one.match.owner for one in chain if not one.absent))


def is_description(text: str, before: Named, one: Named) -> bool:
    """Whether a name stands in a description of the one before it, not beside it."""
    if not INDEFINITE_END.fullmatch(text, before.match.end, one.match.start):
        return False
    after = GOES_ON.match(text, one.match.end)
    return after is not None and after["word"].islower()


def rank_of_cell(cell: str) -> int | None:
    """The rank that a whole cell reads, if it reads one."""
    stripped = cell.strip()
    found = RANK_CELL.fullmatch(stripped)
    if found:
        return int(found["number"])
    marker = read_marker(stripped, 0, len(stripped)) if stripped else None
    if marker is None:
        return None
    rest = stripped[marker[1] :]
    return marker[0] if not rest.strip(" \ufe0f.)") or rank_of_cell(rest) == marker[0] else None
