"""Compares model ids: the one that was asked and the one that a reply names, with and without a date."""

from __future__ import annotations

import re
from typing import Final

# -20261001, -2026-10-01, @20261001, -10-2026, -0613, -001: the same model, pinned to a version
VERSION: Final = re.compile(r"[-@](\d{8}|\d{4}-\d\d-\d\d|\d\d-\d{4}|\d\d-\d\d|\d{4}|\d{3})$")
DATE: Final = re.compile(r"[-\s(@]+(\d{4}-\d\d-\d\d|\d{8})\)?$")


def without_date(name: str) -> str:
    """A model's id or its name in an export without the date of its version; other numbers stay."""
    return DATE.sub("", name)


def undated(model_id: str) -> str:
    """A model's name without the date or number of its version and without the prefix of a gateway or list."""
    return VERSION.sub("", model_id.strip().rpartition("/")[2].lower())


def is_same_model(asked: str, served: str) -> bool:
    """Whether `served` is the model that was asked; True for a reply that names none."""
    return not served.strip() or undated(asked) == undated(served)
