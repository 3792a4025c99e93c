"""HTML inside an answer: tags are no text, what stands between them is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

INLINE_TAGS = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark q s samp small span strike strong "
    "time tt u var wbr".split()
)
STRONG_TAGS = frozenset({"a", "b", "strong"})
TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,30})((?:\s|/)[^<>]*)?>")
HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""", re.IGNORECASE)
HIDDEN = re.compile(r"<!--|<(script|style|template)\b|<[!?]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TagReading:
    """What a tag in running text does."""

    text: str = ""
    href: str | None = None
    opens_strong: bool = False
    closes_strong: bool = False


def read_tag(tag: str) -> TagReading:
    """Read one tag, comment or declaration."""
    found = TAG.fullmatch(tag.strip())
    if found is None:
        return TagReading()
    name, closing = found[2].lower(), bool(found[1])
    href = href_of(found) if name == "a" and not closing else None
    strong = name in STRONG_TAGS
    return TagReading(spacing(name), href, strong and not closing, strong and closing)


def spacing(name: str) -> str:
    """What a tag leaves between the words around it: nothing if it only styles them."""
    if name in INLINE_TAGS:
        return ""
    return " " if name in {"sup", "sub"} else "\n"


def href_of(tag: re.Match[str]) -> str | None:
    """The target of a link's tag."""
    found = HREF.search(tag[3] or "")
    return unescape(found[1] or found[2] or found[3] or "") if found else None


def read_block(source: str) -> tuple[str, list[str]]:
    """The text of a block of HTML, and the targets of its links."""
    hrefs: list[str] = []

    def replace(tag: re.Match[str]) -> str:
        href = href_of(tag) if tag[2].lower() == "a" and not tag[1] else None
        if href:
            hrefs.append(href)
        return spacing(tag[2].lower())

    return unescape(TAG.sub(replace, without_hidden(source))), hrefs


def without_hidden(source: str) -> str:
    """The source without comments, declarations, scripts and styles; an unclosed one hides the rest."""
    kept: list[str] = []
    position = 0
    lowered: str | None = None
    for found in HIDDEN.finditer(source):
        if found.start() < position:
            continue
        kept.append(source[position : found.start()])
        lowered = lowered if lowered is not None else source.lower()
        closing = "-->" if found.group() == "<!--" else f"</{found[1].lower()}" if found[1] else ">"
        end = lowered.find(closing, found.end())
        if end < 0:
            return "".join(kept)
        position = end + len(closing) if closing != f"</{found[1]}" else end
    kept.append(source[position:])
    return "".join(kept)
