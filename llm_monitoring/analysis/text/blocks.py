"""The structure of an answer: visible text and the blocks, items and cells that it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the visible text; `link` says that it is the label of a link."""

    start: int
    end: int
    link: bool = False


@dataclass(slots=True)
class Prose:
    """Running text: a paragraph, a heading, a cell or the lead of an item.

    `strong` are its bold and linked stretches in order, `lines` the positions at which its further lines start.
    """

    start: int
    end: int
    strong: list[Span] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def clamp(self, length: int) -> None:
        """Take back what lies beyond a length of the visible text; stretches and lines are in order of their ends."""
        self.start, self.end = min(self.start, length), min(self.end, length)
        while self.strong and self.strong[-1].end > length:
            cut = self.strong.pop()
            if cut.start < length:
                self.strong.append(Span(cut.start, length, cut.link))
                break
        while self.lines and self.lines[-1] > length:
            self.lines.pop()


@dataclass(slots=True)
class Paragraph:
    """A paragraph at the top level."""

    prose: Prose


@dataclass(slots=True)
class Heading:
    """A heading with its level, 1 to 6."""

    prose: Prose
    level: int


@dataclass(slots=True)
class Item:
    """An item of a list: its first prose, the list that opens it if there is none, and the lists inside it."""

    lead: Prose | None = None
    number: int | None = None
    inner: int | None = None
    nested: list[Listing] = field(default_factory=list)


@dataclass(slots=True)
class Listing:
    """A list; `ordered` lists have numbered items."""

    ordered: bool
    start: int
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """A table: the header cells and the rows of cells."""

    start: int
    header: list[Prose] = field(default_factory=list)
    rows: list[list[Prose]] = field(default_factory=list)


Block = Paragraph | Heading | Listing | Table


@dataclass(frozen=True, slots=True)
class Link:
    """A link that the answer itself holds."""

    url: str
    title: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """An answer as read: its visible text, its blocks in order, its links in order, and the language that it is in."""

    text: str
    blocks: tuple[Block, ...] = ()
    links: tuple[Link, ...] = ()
    language: str | None = None
