"""What pip installs: every file that the package reads, and the command."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

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


def test_the_command() -> None:
    """`llm-monitoring` starts a function that there is."""
    module, _, function = metadata()["project"]["scripts"]["llm-monitoring"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_jobs_are_installed() -> None:
    """The modules of the two jobs are part of the installation."""
    named = metadata()["tool"]["setuptools"]["py-modules"]
    assert sorted(path.stem for path in ROOT.glob("*_cron.py")) == sorted(named)
