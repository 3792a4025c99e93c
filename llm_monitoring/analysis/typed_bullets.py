"""The source of an answer made ready for the parser: composed, whole characters only, typed bullets as Markdown's."""

from __future__ import annotations

import re

from llm_monitoring.analysis.folding import compose

# A reader sees a list where the model typed the bullets itself; Markdown knows only `-`, `*` and `+`.
TYPED_BULLET = re.compile(r"^([ \t]*)[•●▪‣◦⁃][ \t\u00a0]+(?=\S)", re.MULTILINE)

# Half an emoji, which models do emit: no parser takes it, and the database stores U+FFFD in its place.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def prepared(text: str) -> str:
    """The source as it is parsed."""
    return TYPED_BULLET.sub(r"\1- ", compose(LONE_SURROGATE.sub("\ufffd", text)))
