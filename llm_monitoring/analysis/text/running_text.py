"""The running text of an answer while it is read: visible words, bold and linked stretches, citation marks."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

from llm_monitoring.analysis.text import html
from llm_monitoring.analysis.text.blocks import Link, Prose, Span
from llm_monitoring.analysis.text.buffer import Page
from llm_monitoring.analysis.text.marked_names import shown
from llm_monitoring.analysis.text.references import References
from llm_monitoring.analysis.text.visible import holds_no_text, readable

# `[1](…)`, and what ChatGPT's own copy makes of a mark: `[oai_citation:1‡Site](…)`.
MARK_LABEL = re.compile(r"\[?\^?[0-9]{1,3}\]?|oai_citation\w*:[0-9]{1,4}‡.*")
DOMAIN_LABEL = re.compile(r"[^\W_][\w-]*(?:\.[\w-]+)+")
# Bold that the parser leaves alone because CJK punctuation touches its marks.
LEFT_BOLD = re.compile(r"\*\*(?=[^\s*])([^*\n]{1,200}(?<=\S))\*\*")
CLOSING = re.compile(r"\s*[)）]")
BETWEEN_MARKS = re.compile(r"[\s,;|·+]*")


class RunningText:
    """Visible text as it grows, with what is open in it: stretches, a link, images, a possible citation mark."""

    masked: bool

    def __init__(self, source: str) -> None:
        self.page = Page()
        self.links: list[Link] = []
        self.references = References(source)
        self.prose: Prose | None = None
        self.opened: list[tuple[int, str]] = []
        self.link: int | None = None
        self.images = 0
        self.raw_html: list[str] | None = None
        self.code = False
        self.citation: int | None = None

    def open_prose(self) -> None:
        """Start running text."""
        raise NotImplementedError

    def emit(self, text: str) -> None:
        """Append visible text to the open prose."""
        if self.images or not text:
            return
        if self.prose is None and not self.code:
            self.open_prose()
        self.page.add(text)

    def cleaned(self, text: str) -> str:
        """The text without what is not visible; addresses in it become links."""
        if not holds_no_text(text):
            return text
        urls: list[str] = []
        kept = readable(text, urls)
        if self.link is None:
            self.links.extend(Link(url, None) for url in urls)
        return kept

    def text(self, text: str) -> None:
        """A stretch of plain text."""
        if self.raw_html is not None or self.images:
            return
        if self.citation is not None and self.link is None:
            text = self.after_citation(text)
        text = self.cleaned(text).replace("\t", " ")
        if "**" not in text or self.code:
            self.emit(text)
            return
        position = 0
        for found in LEFT_BOLD.finditer(text):
            self.emit(text[position : found.start()])
            self.open_stretch("strong")
            self.emit(found[1])
            self.close_stretch("strong")
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

    def close_stretch(self, kind: str) -> None:
        """The last stretch of this kind ends here, and with it what was opened inside it and never closed."""
        start = self.opened_at(kind)
        if start is not None and self.prose is not None and self.page.length > start:
            self.prose.strong.append(Span(start, self.page.length))

    def close_strong(self) -> None:
        """Bold ends here."""
        self.close_stretch("strong")

    def opened_at(self, kind: str) -> int | None:
        """Where the last stretch of this kind was opened; it is open no more. None if none was."""
        if self.opened and self.opened[-1][1] == kind:
            return self.opened.pop()[0]
        if all(opened != kind for _, opened in reversed(self.opened)):
            return None
        while True:
            start, opened = self.opened.pop()
            if opened == kind:
                return start

    def open_link(self, detail: Any, place: int) -> None:
        """A link: its target is a source, its label text."""
        self.link = len(self.links)
        self.links.append(Link(shown(detail["dest_url"]) if self.masked else detail["dest_url"], None))
        self.open_stretch("link")

    def close_link(self) -> None:
        """Decide whether the label is text, or a citation mark."""
        number, start = self.link, self.opened_at("link")
        self.link = None
        if number is None or start is None:
            return
        label = self.page.since(start).strip()
        if MARK_LABEL.fullmatch(label):
            self.links[number:number] = self.references.first_of(label)
            self.take_back(start)
            return
        self.links[number] = Link(self.links[number].url, label or None)
        if DOMAIN_LABEL.fullmatch(label):
            self.open_citation(start)
        if self.prose is not None and self.page.length > start:
            self.prose.strong.append(Span(start, self.page.length, link=True))

    def take_back(self, start: int) -> None:
        """Remove the visible text from a position on."""
        self.page.truncate(start)
        if self.prose is not None:
            self.prose.clamp(start)
        beyond = [kind for opened, kind in takewhile(lambda stretch: stretch[0] > start, reversed(self.opened))]
        if beyond:
            self.opened[-len(beyond) :] = [(start, kind) for kind in reversed(beyond)]

    def open_citation(self, start: int) -> None:
        """A domain-only label: a citation mark if parentheses close around it."""
        if self.citation is not None:
            return
        floor = max(start - 3, self.prose.start if self.prose is not None else 0)
        before = self.page.since(floor)[: start - floor]
        kept = before.rstrip()
        if kept.endswith(("(", "（")):
            self.citation = floor + len(kept) - 1

    def after_citation(self, text: str) -> str:
        """What is left of the text after a possible citation mark: the mark goes if a parenthesis closes it."""
        closing = CLOSING.match(text)
        if closing is not None and self.citation is not None:
            self.take_back(self.citation)
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
            self.close_stretch("html")
        if reading.text:
            self.emit(reading.text)
            if reading.text == "\n" and self.prose is not None:
                self.prose.lines.append(self.page.length)
