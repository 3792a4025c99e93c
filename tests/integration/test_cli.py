"""The command line as a whole: help, output, errors, and what it never shows."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest

from llm_monitoring import projects
from llm_monitoring.cli.completion import VARIABLE
from llm_monitoring.cli.root import COMMANDS, root
from llm_monitoring.db.database import Database
from llm_monitoring.logs.redaction import UNSAFE
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs import records
from tests.integration.command_line import KEY, ROOT, Cli


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*path, name))


@pytest.mark.parametrize("arguments", [(), ("users",), ("keys",), ("-h",), ("budget", "--help")])
def test_help_needs_nothing(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a command, or with --help, the help is shown and all is well, whatever the configuration."""
    monkeypatch.setenv("LLM_MAX_WORKERS", "none")
    assert Cli().done(*arguments).startswith(f"Usage: {' '.join((PROGRAM, *arguments[:1])).removesuffix(' -h')} ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """Each command explains itself, and its examples are lines that it can parse."""
    command = root.get_command(click.Context(root), name)
    assert command is not None
    for path, each in walk(command, (name,)):
        examples = [line.strip() for line in (each.epilog or "").splitlines() if PROGRAM in line]
        assert bool(each.help), path
        assert bool(examples), path
        for line in examples:
            words = shlex.split(line.removeprefix(PROGRAM).partition(" < ")[0].partition(" > ")[0].partition(" >> ")[0])
            assert list(path) == words[: len(path)], line
            parse(words)


def parse(words: Sequence[str]) -> None:
    """Resolve a line to its command and parse its arguments, with no file opened and nothing run."""
    context = click.Context(root, info_name=PROGRAM, resilient_parsing=True)
    command: click.Command = root
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, list(words))
        assert found is not None, name
        command = found
    parser = command.make_parser(click.Context(command, **command.context_settings))
    _, left, _ = parser.parse_args(list(words))
    assert left == []


def test_start_is_light(cli: Cli) -> None:
    """Help loads no database driver, cryptography or rich, and a command no provider's SDK."""
    heavy = {"psycopg2", "cryptography", "rich", "openai", "anthropic", "google.genai"}
    code = (
        "import sys; from llm_monitoring.cli.root import root\n"
        "root.main(sys.argv[1:], standalone_mode=False); print(sorted(set(sys.modules)), file=sys.stderr)"
    )

    def loaded(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        return {name for name in heavy if f"'{name}'" in done.stderr}

    assert set() == loaded("--help")
    assert {"psycopg2", "cryptography"} == loaded("users", "list")


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("user", "list"), "No such command 'user'. Did you mean 'users'?; see `python -m llm_monitoring --help`"),
        (("--verbose",), "No such option '--verbose'; see `python -m llm_monitoring --help`"),
        (("users", "add"), "Missing argument 'EMAIL'; see `python -m llm_monitoring users add --help`"),
        (("queries", "list", "\x1b[2Jx"), rf"'\x1b[2Jx' is no project number: see `{PROGRAM} projects list`"),
        (("queries", "list", "0"), "'0' is no project number: see `python -m llm_monitoring projects list`"),
        (("queries", "list", "9" * 12), f"'{'9' * 12}' is no project number: see `{PROGRAM} projects list`"),
        (("queries", "list", "7"), "project 7 does not exist: see `python -m llm_monitoring projects list`"),
        (
            ("runs", "list", "--limit", "0"),
            f"Invalid value for '--limit': 0 is not in the range 1<=x<=10000; see `{PROGRAM} runs list --help`",
        ),
        (("projects", "pause", "7"), "project 7 does not exist: see `python -m llm_monitoring projects list`"),
        (
            ("budget", "show", "no_one@x.example"),
            "user 'no_one@x.example' does not exist: see `python -m llm_monitoring users list`",
        ),
    ],
)
def test_bad_input(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    """What was typed wrong is one line that says what to do next."""
    assert message == cli.refused(*arguments)


def test_runs_list(cli: Cli, db: Database) -> None:
    """Runs are listed with how they ended, the latest first, as many as wanted."""
    assert "There was no run yet" in cli.done("runs", "list")
    first = records.start(db, date(2026, 11, 22))
    records.finish(db, first, "completed", valid=3, failed=0, pending=0, message=None)
    second = records.start(db, date(2026, 11, 23))
    records.finish(db, second, "warnings", valid=2, failed=1, pending=1, message="deadline")
    assert [second, first] == [row["id"] for row in cli.json("runs", "list")]
    (row,) = cli.json("runs", "list", "--limit", "1")
    assert ("2026-11-23", "warnings", 2, 1, 1, "0.0000000000", "deadline") == tuple(
        row[name]
        for name in (
            "analysis_date",
            "status",
            "valid_results",
            "failed_tasks",
            "pending_tasks",
            "total_cost_usd",
            "message",
        )
    )
    assert "deadline" in cli.done("runs", "list")


def test_migrate(cli: Cli, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`migrate` names what it applied, and a second time nothing is left."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    first = cli.done("migrate")
    assert first.startswith("applied 0001_create_host_tables\n")
    assert "The database is up to date (0 migrations applied).\n" == cli.done("migrate")
    assert "The database is up to date (0 migrations applied)." not in first


def test_commands_work_on_a_hosts_older_database(
    cli: Cli, legacy_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every listing reads what a host application stored before there was this package."""
    monkeypatch.setenv("DATABASE_URL", legacy_database_url)
    for listing in ("users list", "keys list", "projects list", "queries list 1", "budget show", "runs list"):
        cli.done(*listing.split())
        cli.json(*listing.split())
    assert [] != cli.json("projects", "list")
    cli.json("projects", "show", "1")


HOSTILE = "[red]x[/red] :smile: \x1b]0;owned\x07\x1b[2J \x9b31m \u202egpj\nerror: fake"


def test_hostile_text_is_shown_and_not_obeyed(cli: Cli, db: Database, quipu: int) -> None:
    """Escapes, markup and line breaks in names, addresses, prompts and messages reach no terminal."""
    db.execute("UPDATE users SET email = %(text)s", {"text": HOSTILE})
    db.execute(
        "UPDATE llm_monitoring_projects SET name = %(text)s, brand_name = %(text)s, brand_aliases = ARRAY[%(text)s]",
        {"text": HOSTILE},
    )
    cli.done("queries", "add", "1", HOSTILE)
    cli.done("keys", "set", "1", "openai", stdin=KEY)
    cli.done("budget", "set", "1", "--limit", "5")
    records.finish(db, records.start(db, date(2026, 11, 23)), "crashed", valid=0, failed=0, pending=0, message=HOSTILE)
    listings = ("users list", "keys list", "projects list", "projects show 1", "queries list 1", "budget show",
                "runs list")  # fmt: skip
    for listing in listings:
        for arguments in (listing.split(), [*listing.split(), "--json"]):
            shown = cli.done(*arguments)
            assert [] == [each for each in shown if each != "\n" and UNSAFE.match(each)], arguments
            assert "error: fake" not in shown.splitlines()
    assert [HOSTILE] == [row["query_text"] for row in cli.json("queries", "list", "1")]
    assert "[red]x[/red] :smile: \\x1b]0;owned" in cli.done("queries", "list", "1")
    said = cli.refused("projects", "add", "1", HOSTILE, "--brand", "Quipu", "--industry", "x", "--country", HOSTILE)
    assert [] == [each for each in said if UNSAFE.match(each)]


def test_log_lines_stay_out_of_the_output(cli: Cli, quipu: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever LLM_LOG_LEVEL and LLM_LOG_FORMAT say, a command prints its result and nothing else."""
    monkeypatch.setenv("LLM_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("LLM_LOG_FORMAT", "json")
    assert 1 == len(cli.json("projects", "list"))

    def careful(db: Database) -> list[Any]:
        logging.getLogger("llm_monitoring.x").info("chatter")
        logging.getLogger("llm_monitoring.x").warning("careful")
        return []

    monkeypatch.setattr(projects, "list_users", careful)
    result = cli.run("users", "list", "--json")
    assert "[]\n" == result.stdout
    assert "careful" == json.loads(result.stderr)["message"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LLM_MAX_WORKERS", "many", "LLM_MAX_WORKERS is 'many': it must be a whole number from 1 to 256"),
        ("DATABASE_URL", "mysql://u:hidden-password@h/x", "DATABASE_URL has a value that cannot be used"),
        ("DATABASE_URL", "postgresql://u:hidden-password@127.0.0.1:9/x", "cannot connect to the database: "),
    ],
)
def test_configuration_and_database_errors(
    cli: Cli, name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting and a database that is not there are one line, at once, with exit code 1 and no password."""
    monkeypatch.setenv(name, value)
    said = cli.refused("users", "list", code=1)
    assert message == said[: len(message)]
    assert "hidden-password" not in said


def test_missing_database(cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not exist is named in one line."""
    monkeypatch.setenv("DATABASE_URL", database_url.replace("/test_", "/no_test_"))
    assert "does not exist" in cli.refused("users", "list", code=1)


def test_railway_without_a_database(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Railway no command makes an embedded database."""
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("RAILWAY_ENVIRONMENT_NAME", "production")
    assert cli.refused("migrate", code=1).startswith("DATABASE_URL is not set on Railway")


def test_unforeseen_errors_show(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours is not dressed up as one of the admin's."""

    def broken(db: Database) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(projects, "list_users", broken)
    assert isinstance(cli.run("users", "list").exception, ZeroDivisionError)


def run_program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm_monitoring", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.ci
def test_a_question_without_an_answer(quipu: int) -> None:
    """Where standard input has ended, a command that asks says what to do and changes nothing."""
    refused = run_program("projects", "remove", "1")
    assert 1 == refused.returncode
    assert (
        "error: no one answered: run this in a terminal, or see --help for --yes"
        == refused.stderr.strip().splitlines()[-1]
    )
    assert 0 == run_program("projects", "show", "1").returncode


def test_as_a_program(cli: Cli, quipu: int) -> None:
    """From a shell the exit codes are the same, a pipe gets whole lines, and a stream without UTF-8 loses none."""
    prompt = "→ " + "programa " * 20 + "?"
    cli.done("queries", "add", "1", prompt)
    listed = run_program("queries", "list", "1", LLM_LOG_LEVEL="DEBUG")
    assert 0 == listed.returncode
    assert "" == listed.stderr
    assert prompt in listed.stdout
    refused = run_program("queries", "list", "x")
    assert 2 == refused.returncode
    assert "" == refused.stdout
    assert 1 == refused.stderr.count("\n")
    latin = run_program("queries", "list", "1", "--json", PYTHONIOENCODING="latin-1")
    assert 0 == latin.returncode
    assert prompt == json.loads(latin.stdout)[0]["query_text"]
    assert r"\u2192 programa" in run_program("queries", "list", "1", PYTHONIOENCODING="latin-1").stdout
    assert 0 == run_program().returncode


@pytest.mark.ci
def test_demo(cli: Cli, server_folder: Path) -> None:
    """With --demo the demo's own database is used, and that of DATABASE_URL stays as it is."""
    shown = run_program("--demo", "projects", "list", "--json", LLM_DATA_DIR=str(server_folder))
    assert 0 == shown.returncode
    assert "" == shown.stderr
    assert ["Quipu (ES)", "Pipedrive (US)"] == [row["name"] for row in json.loads(shown.stdout)]
    assert [] == cli.json("projects", "list")


@pytest.mark.ci
def test_completion(cli: Cli) -> None:
    """The script for bash defines a command that works anywhere and completes its sub-commands."""
    script = f"""{cli.done("completion", "bash")}
    COMP_WORDS=(llm-monitoring projects re); COMP_CWORD=2; _llm_monitoring_completion llm-monitoring
    echo "${{COMPREPLY[@]}}"; llm-monitoring users list --json"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert "remove resume\n[]\n" == done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli: Cli, shell: str) -> None:
    """Each shell's script asks this Python for what can follow, and no command that is not installed."""
    script = cli.done("completion", shell)
    run = f"env PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)} -m llm_monitoring"
    assert 2 == script.count(run)
    assert VARIABLE in script
    assert "$+commands" not in script
