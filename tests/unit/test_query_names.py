"""Code and files of SQL name the same statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import llm_monitoring
from llm_monitoring.db.queries import load

PACKAGE = Path(llm_monitoring.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(path.stem for path in (PACKAGE / "db" / "sql").glob("*.sql"))
DEFINED = {f"{module}.{name}" for module in MODULES for name in load(module).statements}


@cache
def parsed(folder: str) -> dict[Path, ast.Module]:
    """The modules that read or use statements."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py"))}
    return {path: ast.parse(text) for path, text in texts.items() if "SQL" in text or "load(" in text}


@cache
def used(folder: str) -> frozenset[str]:
    return frozenset(name for tree in parsed(folder).values() for name in used_names(tree))


def dotted(node: ast.AST) -> str:
    """The text of a name or of an attribute of a name; empty for another expression."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def loaded(node: ast.AST | None) -> str | None:
    """The file that `load("…")` reads, None for another expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load" and node.args:
        argument = node.args[0]
        return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None
    return None


def assigned(tree: ast.Module) -> dict[str, str]:
    """The variables that hold the statements of a file, with the file."""
    held: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and (module := loaded(node.value)) is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            held |= {target.id: module for target in targets if isinstance(target, ast.Name)}
    return held


def variables(tree: ast.Module) -> dict[str, str]:
    """The variables of a module, and those of modules that it imports, that hold the statements of a file."""
    held = assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                path = ROOT.joinpath(*(node.module or "").split("."), f"{alias.name}.py")
                other = parsed("llm_monitoring").get(path)
                if other is not None:
                    name = alias.asname or alias.name
                    held |= {f"{name}.{key}": module for key, module in assigned(other).items()}
    return held


def used_names(tree: ast.Module) -> Iterator[str]:
    """The statements that a module uses, as `file.name`; for `getattr` all that its texts name."""
    held = variables(tree)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = loaded(node.value) or held.get(dotted(node.value))
            if module is not None:
                yield f"{module}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            module = loaded(node.args[0]) or held.get(dotted(node.args[0]))
            yield from (f"{module}.{text}" for text in texts if f"{module}.{text}" in DEFINED)


@pytest.mark.parametrize("folder", ["llm_monitoring", "bench"])
def test_every_statement_that_is_used_is_defined(folder: str) -> None:
    """No code names a statement that its file of SQL does not have."""
    assert set() == used(folder) - DEFINED


def test_every_statement_that_is_defined_is_used() -> None:
    """No statement is left that no module uses."""
    assert set() == DEFINED - used("llm_monitoring")


def test_every_statement_that_the_benchmark_measures_is_defined() -> None:
    """The benchmark of large tables names statements that exist."""
    tree = parsed("bench")[ROOT / "bench" / "volume_cases.py"]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    named = {word for text in texts for word in text.split() if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)}
    assert set() == named - DEFINED
