"""The definitions of numbered references, for citation marks that the Markdown parser reads as one link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from llm_monitoring.analysis.text.blocks import Link

DEFINITION = re.compile(r"^(?: {0,3}>){0,9} {0,3}\[(\^?[0-9]{1,3})\]:[ \t]*<?([^\s<>]+)", re.MULTILINE)


class References:
    """The numbered definitions of one answer, read when first asked for."""

    def __init__(self, source: str) -> None:
        self.source = source

    @cached_property
    def by_label(self) -> dict[str, str]:
        """The target of each label, the first definition kept as Markdown does."""
        found: dict[str, str] = {}
        for definition in DEFINITION.finditer(self.source):
            found.setdefault(definition[1], definition[2])
        return found

    def first_of(self, label: str) -> Iterator[Link]:
        """`[1][2]` is parsed as one link labelled 1, to the target of 2: the page of 1 that a reader sees cited."""
        target = self.by_label.get(label)
        if target is not None:
            yield Link(target, None)
