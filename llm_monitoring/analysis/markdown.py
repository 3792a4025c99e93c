"""Reading an answer's Markdown, by a real parser, into its visible text and its blocks."""

from __future__ import annotations

import re
from typing import Any

import pyromark

from llm_monitoring.analysis import html
from llm_monitoring.analysis.blocks import Document, Heading, Item, Link, Listing, Paragraph, Prose, Span, Table
from llm_monitoring.analysis.languages import language_of
from llm_monitoring.analysis.page import Page
from llm_monitoring.analysis.references import References
from llm_monitoring.analysis.typed_bullets import prepared
from llm_monitoring.analysis.visible import readable

OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
# An answer of a megabyte has some 40,000 events; past this many the rest is read as plain text.
EVENT_LIMIT = 120_000
WRITTEN_NUMBER = re.compile(rb"\s*([0-9]{1,9})[.)]")
MARK_LABEL = re.compile(r"\[?\^?[0-9]{1,3}\]?")
DOMAIN_LABEL = re.compile(r"[^\W_][\w-]*(?:\.[\w-]+)+")
# Bold that the parser leaves alone because CJK punctuation touches its marks.
LEFT_BOLD = re.compile(r"\*\*(?=[^\s*])([^*\n]{1,200}(?<=\S))\*\*")
CLOSING = re.compile(r"\s*[)）]")
BETWEEN_MARKS = re.compile(r"[\s,;|·+]*")


class Reader:
    """Turns the parser's events into a Document."""

    def __init__(self, source: str, language: str | None) -> None:
        self.source = source
        self.language = language
        self.encoded: bytes | None = None
        self.page = Page()
        self.blocks: list[Paragraph | Heading | Listing | Table] = []
        self.links: list[Link] = []
        self.references = References(source)
        self.prose: Prose | None = None
        self.opened: list[tuple[int, str]] = []
        self.list_depth = 0
        self.item: Item | None = None
        self.inner_items = 0
        self.table: Table | None = None
        self.in_head = False
        self.images = 0
        self.raw_html: list[str] | None = None
        self.code = False
        self.citation: int | None = None

    def read(self) -> Document:
        """The whole answer."""
        reached = 0
        events = pyromark.events_with_range(self.source, options=OPTIONS, merge_text=True)
        for count, (event, place) in enumerate(events):
            if count == EVENT_LIMIT:
                self.read_rest(reached)
                break
            reached = place["start"]
            self.handle(event, reached)
        return Document(self.page.text().rstrip(), tuple(self.blocks), tuple(self.links), self.language)

    def read_rest(self, reached: int) -> None:
        """What stands after the last event that was read, as one piece of text."""
        self.close_prose()
        self.text(self.source.encode()[reached:].decode(errors="ignore"))

    def handle(self, event: Any, place: int) -> None:
        """Dispatch one event: the parser gives a bare name or a mapping of one key."""
        if isinstance(event, str):
            self.line_break(event)
            return
        ((kind, value),) = event.items()
        if kind == "Text":
            self.text(value)
        elif kind == "Start":
            self.start(value, place)
        elif kind == "End":
            self.end(value)
        elif kind == "Code":
            self.emit(self.cleaned(value))
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

    def emit(self, text: str) -> None:
        """Append visible text to the open prose."""
        if self.images or not text:
            return
        if self.prose is None and not self.code:
            self.open_prose()
        self.page.add(text)

    def cleaned(self, text: str) -> str:
        """The text without what is not visible; addresses in it become links."""
        urls: list[str] = []
        kept = readable(text, urls)
        if not (self.opened and self.opened[-1][1] in {"target", "link"}):
            self.links.extend(Link(url, None) for url in urls)
        return kept

    def text(self, text: str) -> None:
        """A stretch of plain text."""
        if self.raw_html is not None or self.images:
            return
        if self.citation is not None and not (self.opened and self.opened[-1][1] == "target"):
            text = self.after_citation(text)
        text = self.cleaned(text)
        if "**" not in text or self.code:
            self.emit(text)
            return
        position = 0
        for found in LEFT_BOLD.finditer(text):
            self.emit(text[position : found.start()])
            self.open_stretch("strong")
            self.emit(found[1])
            self.close_stretch()
            position = found.end()
        self.emit(text[position:])

    def line_break(self, kind: str) -> None:
        """A soft break reads as a space, a hard one as a new line; both start a line."""
        if kind == "Rule" or self.images:
            return
        self.emit(" " if kind == "SoftBreak" else "\n")
        if self.prose is not None:
            self.prose.lines.append(self.page.length)

    def open_stretch(self, kind: str) -> None:
        """Bold or a link starts here."""
        self.opened.append((self.page.length, kind))

    def close_stretch(self) -> None:
        """The last bold or link that was opened ends here."""
        if not self.opened:
            return
        start, _ = self.opened.pop()
        if self.prose is not None and self.page.length > start:
            self.prose.strong.append(Span(start, self.page.length))

    def open_link(self, detail: Any, place: int) -> None:
        """A link: its target is a source, its label text."""
        self.links.append(Link(detail["dest_url"], None))
        self.opened.append((self.page.length, "link"))
        self.opened.append((len(self.links) - 1, "target"))

    def close_link(self) -> None:
        """Decide whether the label is text, or a citation mark."""
        number, _ = self.opened.pop()
        start = self.opened[-1][0]
        label = self.page.since(start).strip()
        link = self.links[number]
        if MARK_LABEL.fullmatch(label):
            self.links[number:number] = self.references.first_of(label)
            self.page.truncate(start)
            self.close_stretch()
            return
        self.links[number] = Link(link.url, label or None)
        if DOMAIN_LABEL.fullmatch(label):
            self.open_citation(start)
        self.close_stretch()

    def open_citation(self, start: int) -> None:
        """A domain-only label: a citation mark if parentheses close around it."""
        if self.citation is not None:
            return
        before = self.page.since(max(0, start - 3)).removesuffix(self.page.since(start)).rstrip()
        if before.endswith(("(", "（")):
            blanks = len(self.page.since(max(0, start - 3)).removesuffix(self.page.since(start))) - len(before)
            self.citation = start - blanks - 1

    def after_citation(self, text: str) -> str:
        """What is left of the text after a possible citation mark: the mark goes if a parenthesis closes it."""
        closing = CLOSING.match(text)
        if closing is not None and self.citation is not None:
            start = self.citation
            self.page.truncate(start)
            if self.prose is not None:
                self.prose.strong = [span for span in self.prose.strong if span.end <= start]
            self.citation = None
            return text[closing.end() :]
        if not BETWEEN_MARKS.fullmatch(text):
            self.citation = None
        return text

    def inline_html(self, tag: str) -> None:
        """A tag inside running text."""
        reading = html.read_tag(tag)
        if reading.href:
            self.links.append(Link(reading.href, None))
        if reading.opens_strong:
            self.open_stretch("html")
        elif reading.closes_strong and self.opened and self.opened[-1][1] == "html":
            self.close_stretch()
        if reading.text:
            self.emit(reading.text)
            if reading.text == "\n" and self.prose is not None:
                self.prose.lines.append(self.page.length)

    def open_prose(self) -> None:
        """Start running text: a top-level paragraph, a cell, or the lead of an item."""
        self.prose = Prose(self.page.length, self.page.length)
        if self.item is not None:
            if self.item.lead is None and (self.list_depth == 1 or self.item.inner is not None):
                self.item.lead = self.prose
        elif self.table is None and self.list_depth == 0:
            self.blocks.append(Paragraph(self.prose))

    def close_prose(self, separator: str = "\n") -> None:
        """End running text."""
        self.opened.clear()
        self.citation = None
        if self.prose is not None:
            self.prose.end = self.page.length
            self.prose = None
        self.page.separate(separator)

    def open_paragraph(self, _: Any, place: int) -> None:
        """A paragraph, or the paragraph of a loose item."""
        self.close_prose()

    def open_heading(self, detail: Any, place: int) -> None:
        """A heading; inside an item it is a lead whose whole text is the subject."""
        self.close_prose()
        if self.list_depth == 0:
            self.prose = Prose(self.page.length, self.page.length)
            self.blocks.append(Heading(self.prose, int(detail["level"][1])))
        else:
            self.open_prose()
            self.open_stretch("heading")

    def close_heading(self) -> None:
        """End a heading."""
        if self.list_depth:
            self.close_stretch()
        self.close_prose()

    def open_list(self, start: int | None, place: int) -> None:
        """A list: a block of its own at the top, else part of its item."""
        self.close_prose()
        self.list_depth += 1
        if self.list_depth == 1:
            self.blocks.append(Listing(start is not None, start if start is not None else 0))
        elif self.list_depth == 2 and self.item is not None and self.item.lead is None and start is not None:
            self.item.inner, self.inner_items = start, 0

    def close_list(self) -> None:
        """End a list."""
        self.close_prose()
        self.list_depth -= 1
        if self.list_depth == 0:
            self.item = None

    def open_item(self, _: Any, place: int) -> None:
        """An item; of a list inside a list it is text only, save `- 1. Name`."""
        self.close_prose()
        block = self.blocks[-1] if self.list_depth == 1 else None
        if isinstance(block, Listing):
            self.item = Item(number=self.written_number(place) if block.ordered else None)
            block.items.append(self.item)
        elif self.list_depth == 2 and self.item is not None and self.item.inner is not None:
            self.inner_items += 1
            if self.inner_items == 2:
                self.item.inner, self.item.lead = None, None

    def close_item(self) -> None:
        """End an item."""
        self.close_prose()
        if self.list_depth == 1:
            self.item = None

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
        self.prose = Prose(self.page.length, self.page.length)
        if self.table is not None:
            (self.table.header if self.in_head else self.table.rows[-1]).append(self.prose)

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
        text, hrefs = html.read_block(source)
        self.links.extend(Link(href, None) for href in hrefs)
        self.code = True
        self.emit(self.cleaned(text))
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
    "Strong": Reader.close_stretch,
    "Link": Reader.close_link,
    "Image": Reader.close_image,
    "Table": Reader.close_table,
    "TableHead": Reader.close_head,
    "TableRow": Reader.close_prose,
    "TableCell": Reader.close_cell,
    "CodeBlock": Reader.close_code,
    "HtmlBlock": Reader.close_html,
}


def read_markdown(text: str, language: str | None = None) -> Document:
    """The visible text, blocks and links of an answer; `language` is the code of its prompt's language."""
    return Reader(prepared(text), language_of(language)).read()
