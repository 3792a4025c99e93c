"""Writes a file completely or not at all, readable only by its owner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_monitoring.errors import Invalid


@contextmanager
def whole_file(path: Path, *, make_parents: bool = False) -> Iterator[Path]:
    """Yield a private draft next to `path`, which replaces it at the end and is removed after an error.

    Raises Invalid if the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if make_parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        draft.replace(path)
    except OSError as exc:
        raise Invalid("path", f"{path} cannot be written: {exc.strerror or exc}") from exc
    finally:
        with suppress(OSError):
            draft.unlink()
