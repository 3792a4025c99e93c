"""The visible text of an answer while it is being written."""

from __future__ import annotations


class Page:
    """Visible text in pieces, with its length; the last of it can be read back or taken back."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0

    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)

    def add(self, text: str) -> None:
        """Append text."""
        self.parts.append(text)
        self.length += len(text)

    def separate(self, separator: str) -> None:
        """Part what comes from what is there, once."""
        if self.parts and self.parts[-1] != separator and not self.parts[-1].endswith("\n"):
            self.add(separator)

    def truncate(self, length: int) -> None:
        """Take back all that goes beyond a length."""
        while self.length > length:
            last = self.parts.pop()
            self.length -= len(last)
            if self.length < length:
                self.add(last[: length - self.length])

    def since(self, start: int) -> str:
        """The text from a recent position on."""
        pieces: list[str] = []
        position = self.length
        for part in reversed(self.parts):
            if position <= start:
                break
            position -= len(part)
            pieces.append(part if position >= start else part[start - position :])
        return "".join(reversed(pieces))
