"""Errors carry facts, and the command line adds what to type."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

import llm_monitoring
from llm_monitoring.errors import (
    AlreadyExists,
    BadInput,
    ConfigurationError,
    Invalid,
    Kind,
    MonitoringError,
    NotFound,
    NotReady,
)
from llm_monitoring.process.hints import HINTS, explain

PACKAGE = Path(llm_monitoring.__file__).parent
NOT_FOUND = {f"{kind}_not_found" for kind in get_args(Kind)}
ON_PAGES_ALONE = {"session_not_found", "share_not_found"}
"""What no command takes: sessions and share links are ended on a page or over the API."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFound("project", 99), "project 99 does not exist"),
        (NotFound("prompt", 7, project_id=1), "project 1 has no prompt 7"),
        (NotFound("key", "openai", "user 1 has no openai key"), "user 1 has no openai key"),
        (AlreadyExists("user", "a@b.c"), "there is a user a@b.c already"),
        (Invalid("day", "'x' is no day"), "'x' is no day"),
        (NotReady("prompt", 7, "prompt 7 was asked"), "prompt 7 was asked"),
        (ConfigurationError(), "The configuration is wrong."),
    ],
)
def test_a_message_states_what_happened_and_to_what(error: MonitoringError, message: str) -> None:
    """The message of an error names the thing, and no command."""
    assert message == str(error)


@pytest.mark.parametrize("kind", [NotFound, AlreadyExists, Invalid, NotReady])
def test_the_four_kinds_of_refusal_are_bad_input(kind: type[MonitoringError]) -> None:
    """What catches BadInput catches each refusal of a request."""
    assert issubclass(kind, BadInput)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (NotFound("project", 99), "project 99 does not exist: see `python -m llm_monitoring projects list`"),
        (
            NotFound("prompt", 7, project_id=1),
            "project 1 has no prompt 7: see `python -m llm_monitoring queries list 1`",
        ),
        (Invalid("day", "'x' is no day"), "'x' is no day"),
    ],
)
def test_the_command_line_adds_what_to_run(error: MonitoringError, shown: str) -> None:
    """An error is shown with the command that helps, if one does."""
    assert shown == explain(error)


def test_everything_that_may_be_missing_has_a_hint() -> None:
    """For each kind of thing that is not found the command line names where to look."""
    assert ON_PAGES_ALONE == NOT_FOUND - HINTS.keys()


def test_every_hint_belongs_to_an_error() -> None:
    """No hint is left for a code that nothing raises."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    forms = (r'code="(\w+)"', r'code = "(\w+)"', r'problem\(\w+, "(\w+)"')
    raised = {code for form in forms for code in re.findall(form, source)} | NOT_FOUND
    assert set() == HINTS.keys() - raised


def commands_in_errors(path: Path) -> list[int]:
    """The lines of `raise` statements with the name of a command in them."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise):
            texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
            if "PROGRAM" in names or any("python -m llm_monitoring" in str(text) for text in texts):
                lines.append(node.lineno)
    return lines


def test_no_error_below_the_command_line_names_a_command() -> None:
    """An API can show each error: only commands, jobs and doctor name what to run."""
    shown = [PACKAGE / name for name in ("cli", "jobs", "health", "process")]
    paths = [path for path in PACKAGE.rglob("*.py") if not any(path.is_relative_to(folder) for folder in shown)]
    assert {} == {str(path.relative_to(PACKAGE)): found for path in paths if (found := commands_in_errors(path))}
