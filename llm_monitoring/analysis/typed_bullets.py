"""The source of an answer made ready for the Markdown parser: composed, its typed bullets written as Markdown's."""

from __future__ import annotations

import re

from llm_monitoring.analysis.folding import compose

# A reader sees a list where the model typed the bullets itself; Markdown knows only `-`, `*` and `+`.
TYPED_BULLET = re.compile(r"^([ \t]*)[•●▪‣◦⁃][ \t\u00a0]+(?=\S)", re.MULTILINE)


def prepared(text: str) -> str:
    """The source as it is parsed."""
    return TYPED_BULLET.sub(r"\1- ", compose(text))
