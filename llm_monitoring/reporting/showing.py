"""Text that others wrote, as a page can hold it and as it reads in the direction of its own script."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

UNSHOWABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Controls, and marks that change the direction of the text after them: a page cannot hold them, or they deceive."""

HIDDEN: Final = re.compile("[\u200b\u2060-\u2064\ufeff\U000e0000-\U000e0fff]")
"""What no reader sees and a model reads: tag characters spell whole sentences."""


def showable(text: str) -> str:
    """`text` without characters that a page cannot hold; markup stays markup."""
    return type(text)(UNSHOWABLE.sub("", text))


def visible_to_all(text: str) -> str:
    """`text` as a reader and a model see it alike."""
    return HIDDEN.sub("", showable(text))


def isolated(text: str) -> Markup:
    """Foreign text in a sentence, set in its own direction, so that it turns nothing around it."""
    return Markup("<bdi>{}</bdi>").format(showable(text))


def printed(value: object) -> object:
    """What a template prints: every text goes through `showable`, whoever wrote it."""
    return showable(value) if isinstance(value, str) else value
