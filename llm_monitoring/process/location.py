"""The location of the package: a checkout of the repository, or an installation."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


def checkout() -> Path | None:
    """Return the repository's directory, None if the package was installed by pip."""
    return None if PACKAGE.parent.name in INSTALLED else PACKAGE.parent
