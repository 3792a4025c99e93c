"""The source of an answer made ready for the parser: composed, whole characters only, typed bullets as Markdown's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llm_monitoring.analysis.text.folding import compose
from llm_monitoring.analysis.text.html_blocks import without_gaps
from llm_monitoring.analysis.text.lines import plain_lines

# A reader sees a list where the model typed the bullets itself; Markdown knows only `-`, `*` and `+`.
BULLETS = "•●▪‣◦⁃"
BULLET = re.compile(rf"^([ \t>]*)[{BULLETS}][ \t\u00a0]+(?=\S)", re.MULTILINE)
# These mark a list only on several lines in a row: a dot that also joins words, a dash, and emoji.
DASH = "[\u2012-\u2015\u2212][ \t\u00a0]+"
LOW_DOTS, DOTS = "·‧»›", "・∙⋅"
DOT = f"[{LOW_DOTS}{DOTS}][ \t\u00a0\u3000]*"
# No medals, keycaps or circled numbers: these are numbers.
EMOJI_CHARACTERS = (
    "\U0001f000-\U0001f946\U0001f94a-\U0001faff\u2600-\u2775\u2794-\u27bf\u2b00-\u2bff\u25a0-\u25ff\u2192"
)
EMOJI = f"(?:[{EMOJI_CHARACTERS}][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*){{1,4}}"
TYPED = re.compile(f"(?P<indent>[ \t>]*)(?:{DOT}(?=\\S)|(?P<dash>{DASH}(?=\\S))|(?P<emoji>{EMOJI}(?=\\s*[^\\s|])))")
HINT = re.compile(f"[{DOTS}{EMOJI_CHARACTERS}]")
# A quicker look, which most texts in European languages do not pass: arrows, kana, emoji and surrogates are above.
PERHAPS = re.compile("[\u2190-\U0010ffff]")
DASHED = re.compile(f"\n[ \t>]*(?:{DASH}|[{LOW_DOTS}])")
FENCE = re.compile(r" {0,3}(?:```|~~~)")
TYPED_LINES = 3
QUOTED = re.compile(r"[ \t]*>[ \t>]*")

# A name that ChatGPT marks up: a reader sees the second text of the list, as a link.
ENTITY = re.compile("\ue200(?:product_)?entity\ue202(\\[[^\ue200-\ue202\n]{0,500}\\])\ue201")
# The line under the header of a table of two columns or more.
DELIMITERS = re.compile(r"^[ \t>]*+(?=[^\n-]*-[ \t:-]*\|[ \t:]*-)[ \t|:-]+$", re.MULTILINE)

# Half an emoji, which models do emit: no parser takes it, and the database stores U+FFFD in its place.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def prepared(text: str) -> str:
    """The source as it is parsed."""
    text = without_gaps(plain_lines(text))
    if DELIMITERS.search(text):
        text = with_closed_tables(text)
    if text.isascii():
        return text
    text = ENTITY.sub(name_shown, text)
    source = compose(text)
    if any(bullet in source for bullet in BULLETS):
        source = BULLET.sub(r"\1- ", source)
    typed = DASHED.search(source)
    if PERHAPS.search(source):
        source = LONE_SURROGATE.sub("\ufffd", source)
        typed = typed or HINT.search(source)
    return with_bullets(source) if typed else source


def name_shown(entity: re.Match[str]) -> str:
    """What a reader sees of a name that is marked up; the mark itself if it cannot be read."""
    try:
        fields = json.loads(entity[1])
    except ValueError:
        return entity.group()
    named = len(fields) > 1 and isinstance(fields[1], str)
    return " ".join(fields[1].split()) if named else entity.group()


def with_closed_tables(source: str) -> str:
    """The source with a blank line after each table: the parser takes a line of text right under one for a row."""
    lines = source.split("\n")
    fenced = table = False
    for row, line in enumerate(lines):
        fenced ^= FENCE.match(line) is not None
        if table and "|" not in line:
            table = False
            quoted = QUOTED.match(line)
            lines[row] = f"{quoted[0] if quoted else ''}\n{line}" if line.strip(" \t>") else line
        elif not fenced and row and "|" in lines[row - 1] and DELIMITERS.fullmatch(line):
            table = True
    return "\n".join(lines)


def with_bullets(source: str) -> str:
    """The source with Markdown's bullets for three lines or more in a row that open with a dot, a dash or emoji."""
    lines = source.split("\n")
    for kind, rows in runs(lines):
        if len(rows) >= TYPED_LINES:
            for row, found in rows:
                kept = found["emoji"] if kind == "emoji" else ""
                lines[row] = f"{found['indent']}- {kept}{lines[row][found.end() :]}"
    return "\n".join(lines)


def runs(lines: list[str]) -> Iterator[tuple[str, list[tuple[int, re.Match[str]]]]]:
    """The typed lines that stand in a row outside code, by what opens them; blank and indented lines part no dots."""
    kind, rows = "", list[tuple[int, re.Match[str]]]()
    fenced = False
    for row, line in enumerate(lines):
        fenced ^= FENCE.match(line) is not None
        found = None if fenced else TYPED.match(line)
        opened = "" if found is None else next((kind for kind in ("emoji", "dash") if found[kind]), "dot")
        if found is not None and opened == kind:
            rows.append((row, found))
        elif found is not None:
            yield kind, rows
            kind, rows = opened, [(row, found)]
        elif kind == "emoji" or (line.strip(" \t>") and not line.startswith((" ", "\t"))):
            yield kind, rows
            kind, rows = "", []
    yield kind, rows
