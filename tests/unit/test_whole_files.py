"""Files of clients' data on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llm_monitoring.errors import Invalid
from llm_monitoring.process.whole_files import whole_file
from llm_monitoring.reporting.files import save


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_report_is_private(tmp_path: Path) -> None:
    """Only its owner reads a report, whatever the umask is."""
    before = os.umask(0)
    try:
        save(tmp_path / "new" / "report.html", b"<p>")
    finally:
        os.umask(before)
    assert 0o600 == mode(tmp_path / "new" / "report.html")


def test_an_open_file_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    """A file that was readable for all is no longer after it was written again."""
    path = tmp_path / "export.csv"
    path.touch(0o644)
    with whole_file(path) as draft:
        draft.write_text("id")
    assert 0o600 == mode(path)
    assert "id" == path.read_text()


def test_a_failed_file_leaves_nothing(tmp_path: Path) -> None:
    """A file that could not be written whole is removed, and Invalid is raised."""
    with pytest.raises(Invalid), whole_file(tmp_path / "export.csv"):
        raise OSError(28, "No space left on device")
    assert [] == list(tmp_path.iterdir())
