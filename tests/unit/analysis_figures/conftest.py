"""SciPy, imported by the worker that runs these tests: importing it takes a second."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.fixture(scope="session")
def stats() -> Any:
    return import_module("scipy.stats")
