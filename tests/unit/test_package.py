"""What pip installs: every file that the package reads, and the commands."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.process import wording

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "llm_monitoring"


def metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files() -> list[Path]:
    """The files of the package, without what Python compiles."""
    return [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def package_of(path: Path) -> Path:
    """The nearest folder above a file that Python imports as a package."""
    return next(folder for folder in path.parents if (folder / "__init__.py").is_file())


def test_modules_are_in_packages() -> None:
    """Every module lies in a folder that setuptools finds."""
    assert [] == [path for path in files() if path.suffix == ".py" and package_of(path) != path.parent]


def test_data_is_installed() -> None:
    """Every other file fits a pattern of the package data, seen from its package."""
    patterns: list[str] = metadata()["tool"]["setuptools"]["package-data"]["*"]
    packages = {package_of(path) for path in files()}
    taken = {path for package in packages for pattern in patterns for path in package.glob(pattern)}
    assert [] == [path for path in files() if path.suffix != ".py" and path not in taken]


@pytest.mark.parametrize("program", [wording.COMMAND, *wording.JOB_COMMANDS])
def test_the_commands(program: str) -> None:
    """`llm-monitoring` and the commands of the jobs start functions that there are."""
    module, _, function = metadata()["project"]["scripts"][program].partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_jobs_are_installed() -> None:
    """The modules of the two jobs are part of the installation."""
    named = metadata()["tool"]["setuptools"]["py-modules"]
    assert sorted(path.stem for path in ROOT.glob("*_cron.py")) == sorted(named)
