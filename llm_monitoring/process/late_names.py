"""Imports the modules of a package when a name of theirs is first used, so that a start pays only for what it uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_names(package: str, names_of: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package. `names_of`: by module of the package, its names, separated by spaces."""
    module_of = {name: module for module, names in names_of.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
