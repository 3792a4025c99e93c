"""Blocks of HTML that hold lists, tables or headings, as events like those of the Markdown parser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Any

from llm_monitoring.analysis.text.html import STRONG_TAGS, TAG, href_of, spacing, without_hidden

STRUCTURE = re.compile(r"<(?:li|tr|h[1-6])\b", re.IGNORECASE)
# A blank line ends a block of HTML for the parser, but not the list that goes on after it.
GAP = re.compile(
    r"(?<=>)[ \t]*\n(?:[ \t]*\n)+(?=[ \t]*</?(?:li|ol|ul|table|thead|tbody|tr|td|th)\b)",
    re.IGNORECASE,
)
START_NUMBER = re.compile(r"\sstart\s*=\s*[\"']?([0-9]{1,6})", re.IGNORECASE)
NEXT_CELL = re.compile(r"<t([dh])\b", re.IGNORECASE)
CELL_REACH = 200
SPACES = re.compile(r"\s+")
LISTS, CELLS, HEADINGS = ("ol", "ul"), ("td", "th"), ("h1", "h2", "h3", "h4", "h5", "h6")
PARTS = frozenset({"thead", "tbody", "tfoot", "colgroup", "col"})

Event = dict[str, Any] | str


def without_gaps(source: str) -> str:
    """The source without blank lines between the items of a list, or the rows of a table, in HTML."""
    return GAP.sub("\n", source) if "<" in source else source


def is_structured(source: str) -> bool:
    """Whether a block holds a list, a table or a heading."""
    return STRUCTURE.search(source) is not None


def events(source: str) -> Iterator[Event]:
    """What the block holds, in order; tags that are not closed are closed where they have to be."""
    visible = without_hidden(source)
    blocks = Blocks(visible)
    position = 0
    for tag in TAG.finditer(visible):
        yield from blocks.text(visible[position : tag.start()])
        yield from blocks.closing(tag[2].lower()) if tag[1] else blocks.opening(tag[2].lower(), tag)
        position = tag.end()
    yield from blocks.text(visible[position:])
    while blocks.opened:
        yield blocks.close()


class Blocks:
    """The tags that are open at a place in a block of HTML."""

    def __init__(self, visible: str) -> None:
        self.visible = visible
        self.opened: list[tuple[str, Event]] = []
        self.counts: Counter[str] = Counter()
        self.fresh = True

    def text(self, piece: str) -> Iterator[Event]:
        """Text between tags; spaces are one, and none at the start of a block."""
        text = unescape(piece)
        if not self.counts["pre"]:
            text = SPACES.sub(" ", text)
            text = text.lstrip() if self.fresh else text
        if text:
            self.fresh = False
            yield {"Text": text}

    def open(self, name: str, start: Event, end: Event) -> Event:
        """Open a tag."""
        self.opened.append((name, {"End": end}))
        self.counts[name] += 1
        self.fresh = self.fresh or name not in STRONG_TAGS
        return {"Start": start}

    def close(self) -> Event:
        """Close the tag that was opened last."""
        name, end = self.opened.pop()
        self.counts[name] -= 1
        self.fresh = self.fresh or name not in STRONG_TAGS
        return end

    def close_to(self, *names: str) -> Iterator[Event]:
        """Close all that is open inside the last of these tags."""
        while self.opened and self.opened[-1][0] not in names:
            yield self.close()

    def closing(self, name: str) -> Iterator[Event]:
        """A closing tag: what is open inside it closes too; one that was never opened closes nothing."""
        if self.counts[name]:
            yield from self.close_to(name)
            yield self.close()
        elif name not in PARTS and name not in (*LISTS, "li", "table", "tr", *CELLS, "p"):
            yield from self.spaced(name)

    def opening(self, name: str, tag: re.Match[str]) -> Iterator[Event]:
        """An opening tag."""
        if name in (*LISTS, "li") and not self.counts["table"]:
            yield from self.open_list(name, tag)
        elif name in ("table", "tr", *CELLS):
            yield from self.open_table(name, tag)
        elif name in HEADINGS and not self.counts["table"]:
            yield from self.close_to("li")
            yield self.open(name, {"Heading": {"level": name.upper()}}, "Heading")
        elif name == "pre":
            yield self.open(name, "CodeBlock", "CodeBlock")
        elif name in ("b", "strong"):
            yield self.open(name, "Strong", "Strong")
        elif name == "a":
            href = href_of(tag)
            if href and not self.counts["a"]:
                yield self.open(name, {"Link": {"dest_url": href}}, "Link")
        elif name not in PARTS:
            yield from self.spaced(name)

    def open_list(self, name: str, tag: re.Match[str]) -> Iterator[Event]:
        """A list, or an item of one; an item without a list makes one."""
        if name in LISTS:
            yield from self.close_to("li")
            number = START_NUMBER.search(tag[3] or "")
            start = (int(number[1]) if number else 1) if name == "ol" else None
            yield self.open(name, {"List": start}, "List")
            return
        yield from self.close_to(*LISTS)
        if not self.opened:
            yield self.open("ul", {"List": None}, "List")
        yield self.open(name, "Item", "Item")

    def open_table(self, name: str, tag: re.Match[str]) -> Iterator[Event]:
        """A table, a row or a cell; one inside a list or another table is text."""
        if name == "table":
            if not self.opened:
                yield self.open(name, {"Table": []}, "Table")
        elif self.counts["table"] and name == "tr":
            yield from self.close_to("table")
            cell = NEXT_CELL.search(self.visible, tag.end(), tag.end() + CELL_REACH)
            kind = "TableHead" if cell is not None and cell[1].lower() == "h" else "TableRow"
            yield self.open(name, kind, kind)
        elif self.counts["tr"]:
            yield from self.close_to("tr")
            yield self.open(name, "TableCell", "TableCell")

    def spaced(self, name: str) -> Iterator[Event]:
        """What any other tag leaves: nothing, a space, a new line, or the end of a paragraph."""
        space = spacing(name)
        if space == "\n" and (self.counts["td"] or self.counts["th"]):
            space = " "
        if name == "br" and space == "\n":
            yield "HardBreak"
        elif space == "\n":
            self.fresh = True
            yield {"End": "Paragraph"}
        elif space:
            yield {"Text": space}
