"""Reading an answer's Markdown, by a real parser, into its visible text and its blocks."""

from __future__ import annotations

import re
import sys
from itertools import islice
from typing import Any

import pyromark

from llm_monitoring.analysis.text import html, html_blocks
from llm_monitoring.analysis.text.blocks import Document, Heading, Item, Link, Listing, Paragraph, Prose, Table
from llm_monitoring.analysis.text.languages import language_of
from llm_monitoring.analysis.text.marked_names import MarkedNames, hidden, shown
from llm_monitoring.analysis.text.running_text import RunningText
from llm_monitoring.analysis.text.source import prepared
from llm_monitoring.analysis.text.thinking import without_thinking

OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
# An answer of a megabyte has some 40,000 events; past this many the rest is read as plain text.
EVENT_LIMIT = 120_000
NO_PLACE = sys.maxsize
"""The place of what the parser did not read: no number is written there."""
WRITTEN_NUMBER = re.compile(rb"\s*([0-9]{1,9})[.)]")


class Reader(RunningText):
    """Turns the parser's events into a Document."""

    def __init__(self, source: str, language: str | None = None, names: MarkedNames | None = None) -> None:
        self.source = hidden(source, names) if names is not None else source
        self.language = language
        self.masked = self.source != source
        super().__init__(source)
        self.encoded: bytes | None = None
        self.blocks: list[Paragraph | Heading | Listing | Table] = []
        self.proses: list[Prose] = []
        self.list_depth = 0
        self.item: Item | None = None
        self.nested_item: Item | None = None
        self.inner_items = 0
        self.table: Table | None = None
        self.in_head = False

    def read(self) -> Document:
        """The whole answer."""
        event: Any = None
        place: Any = None
        events = pyromark.events_with_range(self.source, options=OPTIONS, merge_text=True)
        for event, place in islice(events, EVENT_LIMIT):
            self.handle(event, place["start"])
        if next(events, None) is not None:
            self.read_rest(end_of(event, place))
        return self.document()

    def document(self) -> Document:
        """What was read, closed: the visible text is stripped at its end, and no stretch of a block goes beyond it."""
        self.close_prose()
        text = self.page.text().rstrip()
        length = len(text)
        for prose in self.proses:
            if prose.end > length:
                prose.clamp(length)
        return Document(text, tuple(self.blocks), tuple(self.links), self.language)

    def read_rest(self, reached: int) -> None:
        """What stands after the last event that was read, as one piece of text."""
        self.close_prose()
        rest = self.source.encode()[reached:].decode(errors="ignore")
        self.text(shown(rest) if self.masked else rest)

    def handle(self, event: Any, place: int) -> None:
        """Dispatch one event: the parser gives a bare name or a mapping of one key."""
        if isinstance(event, str):
            self.line_break(event)
            return
        ((kind, value),) = event.items()
        if self.masked and isinstance(value, str):
            value = shown(value)
        if kind == "Text":
            self.text(value)
        elif kind == "Start":
            self.start(value, place)
        elif kind == "End":
            self.end(value)
        elif kind == "Code":
            self.emit(self.cleaned(value).replace("\t", " "))
        elif kind == "InlineHtml":
            self.inline_html(value)
        elif kind == "Html" and self.raw_html is not None:
            self.raw_html.append(value)

    def start(self, tag: Any, place: int) -> None:
        """Open a block or a stretch."""
        name, detail = (tag, None) if isinstance(tag, str) else next(iter(tag.items()))
        opener = STARTS.get(name)
        if opener is not None:
            opener(self, detail, place)

    def end(self, tag: Any) -> None:
        """Close a block or a stretch."""
        name = tag if isinstance(tag, str) else next(iter(tag))
        closer = ENDS.get(name)
        if closer is not None:
            closer(self)

    def new_prose(self) -> Prose:
        """Running text that starts here."""
        self.prose = Prose(self.page.length, self.page.length)
        self.proses.append(self.prose)
        return self.prose

    def open_prose(self) -> None:
        """Start running text: a top-level paragraph, a cell, or the lead of an item."""
        prose = self.new_prose()
        if self.item is not None:
            if self.item.lead is None and (self.list_depth == 1 or self.item.inner is not None):
                self.item.lead = prose
            elif self.list_depth == 2 and self.nested_item is not None and self.nested_item.lead is None:
                self.nested_item.lead = prose
        elif self.table is None and self.list_depth == 0:
            self.blocks.append(Paragraph(prose))

    def close_prose(self, separator: str = "\n") -> None:
        """End running text."""
        self.opened.clear()
        self.link = self.citation = None
        if self.prose is not None:
            self.prose.end = self.page.length
            self.prose = None
        self.page.separate(separator)

    def open_paragraph(self, _: Any, place: int) -> None:
        """A paragraph, or the paragraph of a loose item."""
        self.close_prose()

    def open_heading(self, detail: Any, place: int) -> None:
        """A heading; inside an item it is a lead, and its whole text is the subject."""
        self.close_prose()
        if self.list_depth == 0:
            self.blocks.append(Heading(self.new_prose(), int(detail["level"][1])))
        else:
            self.open_prose()
            self.open_stretch("heading")

    def close_heading(self) -> None:
        """End a heading."""
        if self.list_depth:
            self.close_stretch("heading")
        self.close_prose()

    def open_list(self, start: int | None, place: int) -> None:
        """A list: a block of its own at the top, else part of its item."""
        self.close_prose()
        self.list_depth += 1
        if self.list_depth == 1:
            self.blocks.append(Listing(start is not None, start if start is not None else 0))
        elif self.list_depth == 2 and self.item is not None:
            self.item.nested.append(Listing(start is not None, start if start is not None else 0))
            if self.item.lead is None and start is not None:
                self.item.inner, self.inner_items = start, 0

    def close_list(self) -> None:
        """End a list."""
        self.close_prose()
        self.list_depth -= 1
        if self.list_depth == 0:
            self.item = None

    def open_item(self, _: Any, place: int) -> None:
        """An item of a list, or of a list inside it; deeper ones are text only."""
        self.close_prose()
        block = self.blocks[-1] if self.list_depth == 1 else None
        if isinstance(block, Listing):
            self.item = Item(number=self.written_number(place) if block.ordered else None)
            block.items.append(self.item)
        elif self.list_depth == 2 and self.item is not None:
            self.open_nested_item(self.item, place)

    def open_nested_item(self, item: Item, place: int) -> None:
        """An item of a list inside an item, which lends its words to `- 1. Name` as long as it is alone."""
        nested = item.nested[-1]
        self.nested_item = Item(number=self.written_number(place) if nested.ordered else None)
        nested.items.append(self.nested_item)
        if item.inner is not None:
            self.inner_items += 1
            if self.inner_items == 2:
                item.inner, item.lead = None, None

    def close_item(self) -> None:
        """End an item."""
        self.close_prose()
        if self.list_depth == 1:
            self.item = None
        elif self.list_depth == 2:
            self.nested_item = None

    def written_number(self, place: int) -> int | None:
        """The number of an ordered item as the author wrote it."""
        if self.encoded is None:
            self.encoded = self.source.encode()
        found = WRITTEN_NUMBER.match(self.encoded, place)
        return int(found[1]) if found else None

    def open_table(self, _: Any, place: int) -> None:
        """A table; inside a list it is text only."""
        self.close_prose()
        self.table = Table(self.page.length)
        if self.list_depth == 0:
            self.blocks.append(self.table)

    def close_table(self) -> None:
        """End a table."""
        self.close_prose()
        self.table = None

    def open_row(self, _: Any, place: int) -> None:
        """A row of a table."""
        self.close_prose()
        if self.table is not None:
            self.table.rows.append([])

    def open_head(self, _: Any, place: int) -> None:
        """The header row of a table."""
        self.in_head = True

    def close_head(self) -> None:
        """End a header row."""
        self.in_head = False
        self.close_prose()

    def open_cell(self, _: Any, place: int) -> None:
        """A cell."""
        prose = self.new_prose()
        if self.table is not None:
            (self.table.header if self.in_head else self.table.rows[-1]).append(prose)

    def close_cell(self) -> None:
        """End a cell: a tab parts it from the next, so that no name spans two."""
        self.close_prose("\t")

    def open_code(self, _: Any, place: int) -> None:
        """A block of code: text, and no prose."""
        self.close_prose()
        self.code = True

    def close_code(self) -> None:
        """End a block of code."""
        self.code = False
        self.close_prose()

    def open_image(self, _: Any, place: int) -> None:
        """An image: neither its text nor its target is visible text."""
        self.images += 1

    def close_image(self) -> None:
        """End an image."""
        self.images -= 1

    def open_html(self, _: Any, place: int) -> None:
        """A block of HTML."""
        self.close_prose()
        self.raw_html = []

    def close_html(self) -> None:
        """Read a block of HTML for its text and its links."""
        source, self.raw_html = "".join(self.raw_html or ()), None
        if self.list_depth == 0 and html_blocks.is_structured(source):
            for event in html_blocks.events(source):
                self.handle(event, NO_PLACE)
            self.close_prose()
            return
        text, hrefs = html.read_block(source)
        self.links.extend(Link(href, None) for href in hrefs)
        self.code = True
        self.emit(self.cleaned(text).replace("\t", " "))
        self.code = False
        self.close_prose()


STARTS = {
    "Paragraph": Reader.open_paragraph,
    "Heading": Reader.open_heading,
    "List": Reader.open_list,
    "Item": Reader.open_item,
    "Strong": lambda reader, detail, place: reader.open_stretch("strong"),
    "Link": Reader.open_link,
    "Image": Reader.open_image,
    "Table": Reader.open_table,
    "TableHead": Reader.open_head,
    "TableRow": Reader.open_row,
    "TableCell": Reader.open_cell,
    "CodeBlock": Reader.open_code,
    "HtmlBlock": Reader.open_html,
}
ENDS = {
    "Paragraph": Reader.close_prose,
    "Heading": Reader.close_heading,
    "List": Reader.close_list,
    "Item": Reader.close_item,
    "Strong": Reader.close_strong,
    "Link": Reader.close_link,
    "Image": Reader.close_image,
    "Table": Reader.close_table,
    "TableHead": Reader.close_head,
    "TableRow": Reader.close_prose,
    "TableCell": Reader.close_cell,
    "CodeBlock": Reader.close_code,
    "HtmlBlock": Reader.close_html,
}


def end_of(event: Any, place: dict[str, int]) -> int:
    """Up to where an event has been read, in bytes of the source: the start of a block has its inside still to come."""
    opens = isinstance(event, dict) and "Start" in event
    return place["start" if opens else "end"]


def read_markdown(text: str, language: str | None = None, names: MarkedNames | None = None) -> Document:
    """The visible text, blocks and links of an answer.

    `language` is the code of its prompt's language, `names` finds the names that hold marks of Markdown.
    """
    return Reader(without_thinking(prepared(text)), language_of(language), names).read()
