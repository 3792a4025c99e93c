"""Whether the model that a reply names is the one that was asked."""

from __future__ import annotations

import re
from typing import Final

# -20261001, -2026-10-01, @20261001, -10-2026, -0613, -001: the same model, pinned to a version
VERSION: Final = re.compile(r"[-@](\d{8}|\d{4}-\d\d-\d\d|\d\d-\d{4}|\d\d-\d\d|\d{4}|\d{3})$")


def undated(model_id: str) -> str:
    """A model's name without the date or number of its version, and without a gateway's or list's prefix."""
    return VERSION.sub("", model_id.strip().rpartition("/")[2].lower())


def is_same_model(asked: str, served: str) -> bool:
    """Whether `served` is the model that was asked; a reply that names none is taken at its word."""
    return not served.strip() or undated(asked) == undated(served)
