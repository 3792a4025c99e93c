"""A Python that cannot run the program says so in one line, and which one can."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llm_monitoring.process import installation


def test_a_missing_package_is_named_with_the_python_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback: the start of a job in another Python than the one that was installed into."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(installation, "CHECKOUT", tmp_path)
    with pytest.raises(SystemExit) as caught:
        installation.imported("a_package_that_is_not_there.part")
    assert f"error: {sys.executable} has no package a_package_that_is_not_there: use {python}" == caught.value.code


def test_without_an_environment_the_readme_says_how(tmp_path: Path) -> None:
    """A fresh checkout, in which nothing is installed yet."""
    assert "README.md says how to install what is needed" == installation.cure(tmp_path)


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is imported that it cannot read."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"this needs Python 3\.11 or newer, and .* is 3\.9: "):
        installation.imported("llm_monitoring.jobs.daily")


def test_a_missing_module_of_our_own_is_an_error_of_ours() -> None:
    """A broken installation is reported with its traceback."""
    with pytest.raises(ModuleNotFoundError):
        installation.imported("llm_monitoring.not_there")
