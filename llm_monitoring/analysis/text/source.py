"""The source of an answer made ready for the parser: composed, whole characters only, typed bullets as Markdown's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_monitoring.analysis.text.folding import compose
from llm_monitoring.analysis.text.html_blocks import without_gaps

# A reader sees a list where the model typed the bullets itself; Markdown knows only `-`, `*` and `+`.
BULLETS = "•●▪‣◦⁃"
BULLET = re.compile(rf"^([ \t]*)[{BULLETS}][ \t\u00a0]+(?=\S)", re.MULTILINE)
# These mark a list only on several lines in a row: a dot that also joins words, a dash, and emoji.
DASH = "[\u2012-\u2015\u2212][ \t\u00a0]+"
DOT = "・[ \t\u00a0\u3000]*"
# No medals, keycaps or circled numbers: these are numbers.
EMOJI_CHARACTERS = (
    "\U0001f000-\U0001f946\U0001f94a-\U0001faff\u2600-\u2775\u2794-\u27bf\u2b00-\u2bff\u25a0-\u25ff\u2192"
)
EMOJI = f"(?:[{EMOJI_CHARACTERS}][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*){{1,4}}"
TYPED = re.compile(f"(?P<indent>[ \t]*)(?:{DOT}(?=\\S)|(?P<dash>{DASH}(?=\\S))|(?P<emoji>{EMOJI}(?=\\s*[^\\s|])))")
HINT = re.compile(f"[・{EMOJI_CHARACTERS}]")
# A quicker look, which most texts in European languages do not pass: arrows, kana, emoji and surrogates are above.
PERHAPS = re.compile("[\u2190-\U0010ffff]")
DASHED = re.compile(f"\n[ \t]*{DASH}")
FENCE = re.compile(r" {0,3}(?:```|~~~)")
TYPED_LINES = 3

# Half an emoji, which models do emit: no parser takes it, and the database stores U+FFFD in its place.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def prepared(text: str) -> str:
    """The source as it is parsed."""
    text = without_gaps(text)
    if text.isascii():
        return text
    source = compose(text)
    if any(bullet in source for bullet in BULLETS):
        source = BULLET.sub(r"\1- ", source)
    typed = DASHED.search(source)
    if PERHAPS.search(source):
        source = LONE_SURROGATE.sub("\ufffd", source)
        typed = typed or HINT.search(source)
    return with_bullets(source) if typed else source


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
        elif kind == "emoji" or (line.strip() and not line.startswith((" ", "\t"))):
            yield kind, rows
            kind, rows = "", []
    yield kind, rows
