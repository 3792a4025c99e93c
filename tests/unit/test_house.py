"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import socket
import statistics
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "llm_monitoring"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
# without parsing, which takes seconds for the whole of the tests: a signature ends at the first colon that ends a line
TEST = re.compile(
    r"""^[ ]*(?:async )?def (?P<name>test_\w+)\(.*?:\n(?P<says>[ ]+r?(?:\"{3}|')[ ]*[^\s\"'][^\n]*)?""",
    re.DOTALL | re.MULTILINE,
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(paths: list[Path]) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in paths:
        for node in ast.walk(parse(path)):
            if isinstance(node, FUNCTIONS):
                yield path, node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def reads_environment(tree: ast.Module) -> bool:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return bool(names & {"environ", "environb", "getenv", "load_dotenv", "dotenv_values"})


def catches_everything(tree: ast.Module) -> int:
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return sum(is_wide(handler) for handler in handlers)


def is_wide(handler: ast.ExceptHandler) -> bool:
    """Whether it takes every error, and keeps it."""
    names = (
        {"BaseException", "Exception"} if handler.type is None else set(re.findall(r"\w+", ast.unparse(handler.type)))
    )
    passed_on = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return bool(names & {"BaseException", "Exception"}) and not passed_on


@pytest.mark.parametrize("address", ["203.0.113.7", "api.openai.com"])
def test_network_is_closed(address: str) -> None:
    """A test that tries to leave this machine fails, by address and by name."""
    with pytest.raises(RuntimeError, match=address):
        socket.create_connection((address, 443), timeout=1)


def test_child_processes_are_closed_in() -> None:
    """What a child process sends anywhere but to loopback goes to a port where nobody listens."""
    assert {"http://127.0.0.1:9"} == {os.environ[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}


def test_loopback_is_open() -> None:
    """Servers on loopback can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_no_key_leaks_in() -> None:
    """No key, database or setting of the machine's environment reaches a test."""
    assert [] == [name for name in os.environ if name.startswith(("LLM_", "OPENAI_", "DATABASE_", "RAILWAY_", "PG"))]


def test_environment() -> None:
    """Only settings/fields.py reads the environment or `.env`."""
    assert [PACKAGE / "settings" / "fields.py"] == [path for path in MODULES if reads_environment(parse(path))]


def test_wide_handlers() -> None:
    """Everything is caught in few kinds of place: around a task, a row, a call of an SDK or tool, in a job's main."""
    allowed = {"mcp_server.py": 1, "runner.py": 1, "transport.py": 1, "row_errors.py": 2, "daily.py": 1, "weekly.py": 1}
    found = {path.name: catches_everything(parse(path)) for path in MODULES}
    assert {} == {name: count for name, count in found.items() if count > allowed.get(name, 0)}


def test_texts_are_normalised_in_one_place() -> None:
    """Putting many marks in order takes the square of their number, in which no other thread goes on."""
    folding = PACKAGE / "analysis" / "text" / "folding.py"
    assert [folding] == [path for path in MODULES if "unicodedata.normalize" in path.read_text(encoding="utf-8")]


def test_files_are_short() -> None:
    """No file of the package has 400 lines."""
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {} == {name: count for name, count in lines.items() if count >= 400}


def test_functions_are_short() -> None:
    """No function of the package has more than 60 lines, and the median has fewer than 10."""
    lengths = {f"{path.relative_to(PACKAGE)}:{node.lineno}": length(node) for path, node in functions(MODULES)}
    longest = {name: lines for name, lines in lengths.items() if lines > 60}
    assert {} == longest
    assert statistics.median(lengths.values()) < 10


def test_names() -> None:
    """No file is named for not knowing what it holds."""
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert [] == [path for path in MODULES if path.stem in vague]


@pytest.mark.parametrize(
    ("file", "modules"),
    [
        (
            "requirements.txt",
            [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in {"distributed", "web"}],
        ),
        ("requirements-workers.txt", [path for path in MODULES if path.relative_to(PACKAGE).parts[0] == "distributed"]),
        ("requirements-web.txt", [path for path in MODULES if path.relative_to(PACKAGE).parts[0] == "web"]),
    ],
)
def test_requirements(file: str, modules: list[Path]) -> None:
    """Production installs what the package imports, each in a fixed version; a file may include another."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    for included in [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]:
        lines += (ROOT / included).read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if re.fullmatch(r"[a-z0-9.-]+==[0-9.]+", line)}
    unpinned = [
        line
        for line in lines
        if line.partition("==")[0] not in pinned and not line.startswith(("#", "-r requirements"))
    ]
    distributions = packages_distributions()
    needed = {
        distribution.lower().replace("_", "-")
        for name in imported(modules)
        for distribution in distributions.get(name, ())
        if name != "google" or distribution == "google-genai"
    }
    assert [] == unpinned
    assert set() == needed - pinned


def imported(paths: list[Path]) -> set[str]:
    """Return the top-level names that the files import, those only for type checks included."""
    nodes = [node for path in paths for node in ast.walk(parse(path))]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules}


def test_module_docstrings() -> None:
    """Every module says in its docstring what it owns."""
    assert [] == [path for path in MODULES if not ast.get_docstring(parse(path))]


def test_tests_say_what_they_check() -> None:
    """Every test says in one line which behaviour it checks."""
    silent = [
        f"{path.relative_to(ROOT)}::{found['name']}"
        for path in TESTS
        for found in TEST.finditer(path.read_text(encoding="utf-8"))
        if not found["says"]
    ]
    assert [] == silent


def test_parallel_workers_get_files_as_a_whole(request: pytest.FixtureRequest) -> None:
    """A file without long tests stays on one worker. pytest-xdist 3.8 no longer groups under pytest 9.2, in silence."""
    if not (hasattr(request.config, "workerinput") and request.config.getoption("loadgroup")):
        pytest.skip("the tests run in one process")
    assert request.node.nodeid.endswith("@test_house")
