"""What a start imports: each command and job loads what it uses, and nothing that only others use."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from llm_monitoring.cli.base.command import LateGroup
from llm_monitoring.cli.root import root

ROOT = Path(__file__).resolve().parents[2]
FACES = ("analysis", "figures", "keys", "ledger")
RULES = ("analysis.answer", "analysis.name_doubts", "analysis.text", "analysis.mentions", "analysis.rankings")
SDKS = ("openai", "anthropic", "google.genai", "httpx2")
LOADED = "import sys, json; import {modules}; print(json.dumps(list(sys.modules)))"


def loaded_by(*modules: str) -> set[str]:
    code = LOADED.format(modules=", ".join(modules))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("face", FACES)
def test_a_late_name_is_that_of_its_module(face: str) -> None:
    """A name that a face imports late is the one that type checkers see."""
    package = import_module(f"llm_monitoring.{face}")
    (block,) = [node for node in ast.parse(inspect.getsource(package)).body if isinstance(node, ast.If)]
    seen = {
        name.name: getattr(import_module(str(node.module)), name.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert seen == {name: getattr(package, name) for name in seen}


@pytest.mark.parametrize("face", FACES)
def test_a_face_has_each_name_that_it_lists(face: str) -> None:
    """Each name in `__all__` can be imported."""
    package = import_module(f"llm_monitoring.{face}")
    assert [] == [name for name in package.__all__ if not hasattr(package, name)]


def test_an_unknown_name_of_a_face_is_an_error() -> None:
    """A face that imports late reports a name that it does not have as any module does."""
    package = import_module("llm_monitoring.analysis")
    with pytest.raises(AttributeError, match=r"module 'llm_monitoring\.analysis' has no attribute 'Matches'"):
        _ = package.Matches


def late_groups(command: click.Command = root) -> list[LateGroup]:
    if not isinstance(command, LateGroup):
        return []
    context = click.Context(command)
    commands = [command.get_command(context, name) for name in command.list_commands(context)]
    return [command, *(group for each in commands if each is not None for group in late_groups(each))]


@pytest.mark.parametrize("group", [group for group in late_groups() if group is not root], ids=lambda group: group.name)
def test_the_line_of_a_late_command_is_its_own_help(group: LateGroup) -> None:
    """A group's help says of a command, which it does not import, what the command's own help says."""
    commands = {name: group.get_command(click.Context(group), name) for name in group.late}
    lines = {name: command.get_short_help_str(1000) for name, command in commands.items() if command is not None}
    assert lines == {name: line for name, (_, line) in group.late.items()}


@pytest.mark.parametrize("group", late_groups(), ids=lambda group: group.name)
def test_the_help_of_a_group_cuts_no_line(group: LateGroup) -> None:
    """A command's line is wrapped in the help of its group, and every group within it does the same."""
    context = click.Context(group, **group.context_settings)
    within = [group.get_command(context, name) for name in group.list_commands(context)]
    assert [] == [each.name for each in within if isinstance(each, click.Group) and not isinstance(each, LateGroup)]
    assert "..." not in group.get_help(context).replace("[ARGS]...", "")


def test_listing_projects_imports_no_rules_no_prices_and_no_run() -> None:
    """`projects list` reads rows and prints them."""
    found = loaded_by("llm_monitoring.cli.projects.commands", "llm_monitoring.app")
    unused = {f"llm_monitoring.{name}" for name in (*RULES, "registry", "runs", "figures", "reporting", "health")}
    assert set() == found & {*unused, *SDKS, "rich"}


def test_showing_budgets_imports_no_rules_and_no_sdk() -> None:
    """`budget show` reads accounts and forecasts them."""
    found = loaded_by("llm_monitoring.cli.budget.commands", "llm_monitoring.app")
    assert set() == found & {*(f"llm_monitoring.{name}" for name in (*RULES, "reporting", "health")), *SDKS, "rich"}


def test_the_daily_job_starts_without_what_follows_its_calls() -> None:
    """The rules are imported while the first calls are on their way; figures, notices and reports after them."""
    found = loaded_by("daily_llm_monitoring_cron")
    later = {f"llm_monitoring.{name}" for name in (*RULES, "figures", "notify", "model_review", "reporting")}
    assert set() == found & {*later, *SDKS, "rich"}
