"""The command line on a real database: what each command does, what it refuses, and what it never shows."""

from __future__ import annotations

import json
import logging
import os
import pty
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from llm_monitoring import projects
from llm_monitoring.cli.completion import VARIABLE
from llm_monitoring.cli.root import COMMANDS, root
from llm_monitoring.db.database import Database
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.logs.redaction import UNSAFE
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs import records
from tests.admission import admits

ROOT = Path(__file__).resolve().parents[2]
MASTER = Fernet.generate_key().decode()
NEWER = Fernet.generate_key().decode()
KEY = "zq-own-key-that-no-pattern-knows-4321"
EMAIL = "ana@agency.example"


@dataclass(frozen=True)
class Cli:
    """Runs commands in this process."""

    def run(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(root, arguments, input=stdin, prog_name=PROGRAM)

    def done(self, *arguments: str, stdin: str | bytes | None = None) -> str:
        """Run what must succeed in silence on standard error, and return what it printed."""
        result = self.run(*arguments, stdin=stdin)
        assert 0 == result.exit_code, result.output
        assert "" == result.stderr, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, stdin: str | bytes | None = None, code: int = 2) -> str:
        """Run what must fail with one line, and return it."""
        result = self.run(*arguments, stdin=stdin)
        assert code == result.exit_code, result.output
        assert "" == result.stdout, result.output
        assert result.stderr.startswith("error: ")
        assert result.stderr.index("\n") == len(result.stderr) - 1, result.stderr
        return result.stderr.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def cli(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The commands on a fresh database, with a master key, in an empty directory."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", MASTER)
    monkeypatch.chdir(tmp_path)
    return Cli()


@pytest.fixture
def ana(cli: Cli) -> int:
    """A user."""
    cli.done("users", "add", EMAIL)
    return 1


@pytest.fixture
def quipu(cli: Cli, ana: int) -> int:
    """A project of that user."""
    cli.done("projects", "add", EMAIL, "Quipu", "--brand", "Quipu", "--industry", "software")
    return 1


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


def test_users(cli: Cli) -> None:
    """A user is added once, whatever the case of the address, and listed."""
    assert "There are no users yet: `users add`.\n" == cli.done("users", "list")
    assert f"User 1 added: {EMAIL}\n" == cli.done("users", "add", EMAIL)
    assert "'ana' is no e-mail address" == cli.refused("users", "add", "ana")
    assert "'mailto:a@b.example' is no e-mail address" == cli.refused("users", "add", "mailto:a@b.example")
    assert "a user with the address ANA@agency.example exists already" == cli.refused(
        "users", "add", "ANA@agency.example"
    )
    assert [{"id": 1, "email": EMAIL}] == cli.json("users", "list")
    assert EMAIL in cli.done("users", "list")


def test_one_address_of_two_users(cli: Cli, db: Database) -> None:
    """If a host application has an address twice, no command guesses which user is meant."""
    db.execute("INSERT INTO users (email) VALUES ('x@y.example'), ('X@y.example')")
    assert "2 users have the address 'x@y.example': give the number of one instead" == cli.refused(
        "budget", "set", "x@y.example", "--limit", "5"
    )
    cli.done("budget", "set", "2", "--limit", "5")


@pytest.mark.short(every=3)
@pytest.mark.parametrize("stdin", [KEY, f"  {KEY}\r\n", f"\ufeff{KEY}\n"])
def test_key_from_a_pipe(cli: Cli, db: Database, ana: int, stdin: str) -> None:
    """A key comes in by standard input, is stored sealed, and is shown by its last four characters alone."""
    stored = cli.done("keys", "set", EMAIL, "openai", stdin=stdin)
    assert f"Stored the openai key of user 1 ({EMAIL}), which ends in 4321.\n" == stored
    row = db.one("SELECT openai_api_key_encrypted AS token FROM user_llm_api_keys WHERE user_id = 1")
    assert row is not None
    assert KEY == KeyCipher(MASTER).decrypt(row["token"], 1, "openai").reveal()
    listed = {
        "user_id": 1,
        "email": EMAIL,
        "provider": "openai",
        "source": "user",
        "last_four": "4321",
        "bound": True,
        "problem": None,
    }
    assert [listed] == cli.json("keys", "list", "1")
    table = cli.done("keys", "list")
    assert "4321" in table
    assert "bound" in table
    assert KEY[:-4] not in stored + table


@pytest.mark.ci
def test_key_from_a_prompt(cli: Cli, db: Database, ana: int) -> None:
    """In a terminal the key is asked for and what is typed is not echoed."""
    controller, terminal = pty.openpty()
    # a session's first terminal becomes its own, which is where a hidden prompt reads
    line = 'exec "$@" <"$0" >"$0" 2>"$0"'
    command = [sys.executable, "-m", "llm_monitoring", "keys", "set", "1", "OpenAI"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        ["sh", "-c", line, os.ttyname(terminal), *command], env=environment, start_new_session=True
    )
    shown = b""
    while b"(not shown)" not in shown:
        shown += os.read(controller, 1000)
    os.write(controller, f"{KEY}\n".encode())
    while b"4321" not in shown:
        shown += os.read(controller, 1000)
    assert 0 == process.wait(20)
    os.close(terminal)
    os.close(controller)
    assert KEY.encode()[:-4] not in shown
    row = db.one("SELECT openai_api_key_encrypted AS token FROM user_llm_api_keys WHERE user_id = 1")
    assert row is not None
    assert KEY == KeyCipher(MASTER).decrypt(row["token"], 1, "openai").reveal()


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("1", "openai", KEY), None, "a key is never an argument"),
        (("1", "openai", "--key", KEY), None, "a key is never an argument"),
        (("1", f"--key={KEY}", "openai"), None, "Invalid value for 'PROVIDER': choose one of openai, anth"),
        (("openai", KEY), None, "Invalid value for 'PROVIDER': choose one of openai, anth"),
        (("1", "openai"), "", "no key arrived on standard input"),
        (("1", "openai"), " \n", "no key arrived on standard input"),
        (("1", "openai"), f"{KEY}\n{KEY}\n", "this is no API key: it must be the key alone, and this has se"),
        (("1", "openai"), KEY.encode() + b"\xf1\xff", "this is no API key: it must be one line of printable ASCII"),
        (("1", "anthropic"), f"sk-proj-{KEY}", "this is a key of openai, and anthropic must not see it: store"),
        (("2", "openai"), KEY, "user '2' does not exist"),
    ],
)
def test_key_refused(
    cli: Cli, db: Database, ana: int, arguments: tuple[str, ...], stdin: str | bytes | None, message: str
) -> None:
    """A key that is given as an argument, or is none, is refused without being repeated, and nothing is stored."""
    said = cli.refused("keys", "set", *arguments, stdin=stdin)
    assert message == said[: len(message)]
    assert KEY[4:-4] not in said
    assert [] == db.all("SELECT * FROM user_llm_api_keys")


def test_key_without_master_key(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a master key none is stored, and the line says how to make one."""
    monkeypatch.delenv("LLM_KEYS_ENCRYPTION_KEY")
    said = cli.refused("keys", "set", "1", "openai", stdin=KEY, code=1)
    assert said.startswith("LLM_KEYS_ENCRYPTION_KEY is not set and API keys are never stored in the clear: make one")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", "no-fernet-key")
    said = cli.refused("keys", "list", code=1)
    assert said.startswith("LLM_KEYS_ENCRYPTION_KEY must be")
    assert "no-fernet-key" not in said


def test_keys_list_tells_problems_and_the_operators(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's keys are listed, and a key that cannot be read says why."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", NEWER)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-operator-key-000-9876")
    operators, users = cli.json("keys", "list")
    assert "anthropic" == operators["provider"]
    assert "operator" == operators["source"]
    assert operators["user_id"] is None
    assert "9876" == operators["last_four"]
    assert users["last_four"] is None
    assert "sealed_otherwise" == users["problem"]["reason"]
    assert [users] == cli.json("keys", "list", EMAIL)
    assert "no master key in LLM_KEYS_ENCRYPTION_KEY decrypts it" in cli.done("keys", "list")
    assert cli.refused("keys", "rotate", code=1).startswith(
        "1 stored keys cannot be read, so none was changed (user 1 google)"
    )


@pytest.mark.ci
def test_keys_rotate(cli: Cli, db: Database, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotation seals every key under the newest master key and binds the older form to its user."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    bare = Fernet(MASTER).encrypt(b"sk-an-older-key-000").decode()
    db.execute("UPDATE user_llm_api_keys SET openai_api_key_encrypted = %(bare)s", {"bare": bare})
    assert "older: `keys rotate`" in cli.done("keys", "list")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", f"{NEWER},{MASTER}")
    assert "Keys encrypted again: 2, up to date already: 0.\n" == cli.done("keys", "rotate")
    assert "Keys encrypted again: 0, up to date already: 2.\n" == cli.done("keys", "rotate")
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", NEWER)
    assert [True, True] == [key["bound"] for key in cli.json("keys", "list")]


def test_keys_remove(cli: Cli, ana: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing a key says what is left of it, and removing none is refused."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    said = f"Removed the google key of user 1 ({EMAIL}): "
    assert f"{said}no call to that provider is made for this user any more.\n" == cli.done(
        "keys", "remove", EMAIL, "google", "--yes"
    )
    assert "user 1 has no google key: see `python -m llm_monitoring keys list`" == cli.refused(
        "keys", "remove", "1", "google"
    )
    cli.done("keys", "set", "1", "google", stdin=KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza-operator-000")
    assert f"{said}the operator's key stands in.\n" == cli.done("keys", "remove", "1", "google", "--yes")


def test_project_with_everything(cli: Cli, ana: int) -> None:
    """Every option of a new project is stored, and shown again by a table and as JSON."""
    Path("rivals.csv").write_text("name;aliases;domains\r\nSage;Sage 50|Sage Active;sage.com\r\n", encoding="utf-8-sig")
    Path("rivals.json").write_text('[{"name": "Ábaco", "exclude": ["ábaco chino"], "case_sensitive": true}]')
    added = cli.done(
        "projects", "add", EMAIL, "Quipu (ES)", "--brand", "Quipu", "--industry", "software de facturación",
        "--alias", "Quipu App", "--alias", "getquipu", "--domain", "getquipu.com", "--exclude", "quipu inca",
        "--case-sensitive", "--competitor", "Holded", "--competitor-file", "rivals.csv",
        "--competitor-file", "rivals.json", "--language", "en", "--country", "es", "--provider", "google",
        "--provider", "openai", "--web-search", "--samples", "3",
    )  # fmt: skip
    assert f"Project 1 added for user 1 ({EMAIL}): Quipu (ES). Next: `queries add 1 TEXT`" in added
    shown = cli.json("projects", "show", "1")
    none: dict[str, Any] = {"aliases": [], "domains": [], "exclude": [], "case_sensitive": False}
    assert {
        "id": 1, "name": "Quipu (ES)", "user_id": 1, "industry": "software de facturación", "language": "en",
        "country": "ES", "providers": ["openai", "google"], "web_search": True, "samples_per_query": 3,
        "pace": "punctual", "is_active": True,
        "brand": {"name": "Quipu", "aliases": ["Quipu App", "getquipu"], "domains": ["getquipu.com"],
                  "exclude": ["quipu inca"], "case_sensitive": True},
        "competitors": [
            {**none, "name": "Holded"},
            {**none, "name": "Sage", "aliases": ["Sage 50", "Sage Active"], "domains": ["sage.com"]},
            {**none, "name": "Ábaco", "exclude": ["ábaco chino"], "case_sensitive": True},
        ],
    } == shown  # fmt: skip
    Path("again.json").write_text(json.dumps(shown["competitors"]))
    cli.done("projects", "add", "1", "Copy", "--brand", "Quipu", "--industry", "x", "--competitor-file", "again.json")
    assert shown["competitors"] == cli.json("projects", "show", "2")["competitors"]
    table = cli.done("projects", "show", "1")
    assert all(each in table for each in ("en-ES", "openai, google", "Sage 50, Sage Active", "ábaco chino"))


def test_project_defaults(cli: Cli, quipu: int) -> None:
    """A project asks every provider once, in Spanish, without search."""
    shown = cli.json("projects", "show", "1")
    defaults = ("language", "country", "providers", "web_search", "samples_per_query", "competitors")
    assert ["es", None, list(PROVIDERS), False, 1, []] == [shown[name] for name in defaults]


@pytest.mark.ci
def test_projects_list_pause_and_resume(cli: Cli, quipu: int) -> None:
    """A project is listed with its state, and pausing and resuming change it."""
    cli.done("queries", "add", "1", "a", "b")
    assert "Project 1 is paused.\n" == cli.done("projects", "pause", "1")
    (row,) = cli.json("projects", "list")
    assert 1 == row["id"]
    assert "Quipu" == row["brand_name"]
    assert EMAIL == row["email"]
    assert 2 == row["active_queries"]
    assert row["is_active"] is False
    assert "paused" in cli.done("projects", "list")
    assert "Project 1 is active.\n" == cli.done("projects", "resume", "1")
    assert "active" in cli.done("projects", "list")


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--language", "Spanish"), "language 'Spanish' is no ISO 639 code such as es or en"),
        (("--language", "es-toolonglng"), "language 'es-toolonglng' is no ISO 639 code such as es or en"),
        (("--country", "Spain"), "country 'SPAIN' is no ISO 3166 code: write ES"),
        (("--samples", "21"), "Invalid value for '--samples': 21 is not in the range 1<=x<=20; see "),
        (("--provider", "grok"), "Invalid value for '--provider': choose one of openai, anthropic"),
        (
            ("--brand", "Q"),
            "'Q' is one letter, which any text holds: give a longer name, or count it only in its own case: `--case",
        ),
        (
            ("--competitor", "x"),
            "'x' is one letter, which any text holds: give a longer name, or count it only in its own case: `--case",
        ),
        (("--brand", " "), "' ': an entity needs a name"),
        (("--industry", " "), "the industry is empty or over 255 characters"),
        (("--competitor", ""), "'': an entity needs a name"),
        (("--competitor", "QUIPU"), "brand and competitors need different names, and 'quipu' is there twice"),
        (("--competitor-file", "none.csv"), "Invalid value for '--competitor-file': 'none.csv': No such file or dir"),
        (("--competitor-file", "bad.csv"), "bad.csv, line 1: the header needs the column `name`"),
    ],
)
def test_project_refused(cli: Cli, ana: int, changes: tuple[str, ...], message: str) -> None:
    """A project that cannot be stored or measured is refused, and nothing is stored."""
    Path("bad.csv").write_text("Holded\n")
    said = cli.refused("projects", "add", "1", "P", "--brand", "Quipu", "--industry", "x", *changes)
    assert message == said[: len(message)]
    assert [] == cli.json("projects", "list")


def test_project_twice(cli: Cli, quipu: int) -> None:
    """A user has one project of a name."""
    assert "user 1 already has a project named 'Quipu'" == cli.refused(
        "projects", "add", "1", "Quipu", "--brand", "Quipu", "--industry", "x"
    )


def test_project_that_cannot_be_read(cli: Cli, db: Database, quipu: int) -> None:
    """A row that a host application broke is one line, and can still be listed and paused."""
    db.execute("""UPDATE llm_monitoring_projects SET competitors = '[{"name": " "}]'""")
    assert "project 1 cannot be read: an entity needs a name" == cli.refused("projects", "show", "1")
    assert "project 1 cannot be read: an entity needs a name" == cli.refused("queries", "add", "1", "a")
    assert 1 == len(cli.json("projects", "list"))
    cli.done("projects", "pause", "1")


def test_queries_add(cli: Cli, quipu: int) -> None:
    """Prompts are stored as written, by default in the language of the project, and a known one is left alone."""
    assert "Project 1: new prompts: 2, known already: 0.\n" == cli.done(
        "queries", "add", "1", "¿Cuál?", "[b]Which[/b]?", "--language", "en", "--type", "t"
    )
    assert "Project 1: new prompts: 1, known already: 1.\n" == cli.done("queries", "add", "1", "¿Cuál?", " otra ")
    assert [
        {"id": 1, "query_text": "¿Cuál?", "language": "en", "query_type": "t", "is_active": True, "tags": []},
        {"id": 2, "query_text": "[b]Which[/b]?", "language": "en", "query_type": "t", "is_active": True, "tags": []},
    ] == cli.json("queries", "list", "1")[:2]
    assert ("otra", "es", "general") == tuple(
        cli.json("queries", "list", "1")[2][name] for name in ("query_text", "language", "query_type")
    )
    assert "[b]Which[/b]?" in cli.done("queries", "list", "1")


@pytest.mark.short(every=8)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("good", " "), "the prompt is empty"),
        (("good", "x" * 4001), "the prompt is longer than 4000 characters: 'xxx"),
        (("good", "--language", "Klingon"), "language 'Klingon' is no ISO 639 code"),
        (("good", "--type", ""), "type '' is empty or over 50 characters"),
        ((), "Missing argument 'TEXT...'"),
    ],
)
def test_queries_refused(cli: Cli, quipu: int, arguments: tuple[str, ...], message: str) -> None:
    """One prompt that cannot be stored keeps out the others."""
    assert message == cli.refused("queries", "add", "1", *arguments)[: len(message)]
    assert [] == cli.json("queries", "list", "1")


@pytest.mark.ci
def test_longest_prompt(cli: Cli, quipu: int) -> None:
    """A prompt of 4,000 characters is stored; one that the table's index cannot hold is refused and not cut."""
    words = ("¿Qué programa de facturación recomiendas a un autónomo de Madrid? " * 70)[:4000]
    assert "Project 1: new prompts: 1, known already: 0.\n" == cli.done("queries", "add", "1", words)
    noise = uuid.uuid5(uuid.NAMESPACE_DNS, "x").hex
    text = "".join(uuid.uuid5(uuid.NAMESPACE_DNS, f"{noise}{number}").hex for number in range(200))
    assert "the database does not take one of the prompts" in cli.refused("queries", "add", "1", text[:4000])
    text = text[:2500]
    assert "Project 1: new prompts: 1, known already: 0.\n" == cli.done("queries", "add", "1", text)


def test_queries_import(cli: Cli, quipu: int) -> None:
    """A file as Excel writes it is imported whole, says what was new, and changes nothing when imported again."""
    lines = 'Query;Language;Type\r\n"¿Cuál; a ver?";;\r\n\r\nWhich?;en;compare\r\nWhich?;en;compare\r\n'
    Path("prompts.csv").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    shown = cli.done("queries", "import", "1", "prompts.csv", "--dry-run")
    assert "prompts.csv: UTF-8, columns divided by “;”; prompt from “Query”, language from “Language”" in shown
    assert "3 prompts: 2 new, 1 skipped." in shown
    assert "Skipped: line 5 says the same as line 4" in shown
    assert [] == cli.json("queries", "list", "1")
    assert "Project 1: new prompts: 2, known already: 1.\n" in cli.done("queries", "import", "1", "prompts.csv")
    assert "Project 1: new prompts: 0, known already: 3.\n" in cli.done("queries", "import", "1", "prompts.csv")
    assert [("¿Cuál; a ver?", "es", "general"), ("Which?", "en", "compare")] == [
        (row["query_text"], row["language"], row["query_type"]) for row in cli.json("queries", "list", "1")
    ]
    assert "Project 1: new prompts: 1, known already: 0.\n" in cli.done(
        "queries", "import", "1", "-", stdin="One a line, with a comma\n"
    )
    Path("excel.csv").write_bytes("¿Qué señal?\n".encode("cp1252"))
    assert "the encoding was guessed" in cli.run("queries", "import", "1", "excel.csv").stderr
    assert "new prompts: 1" in cli.done("queries", "import", "1", "excel.csv", "--yes")


def test_queries_import_is_all_or_nothing(cli: Cli, quipu: int) -> None:
    """A file with one wrong line is refused by that line, and nothing of it is stored."""
    Path("prompts.csv").write_text("query,language\ngood,es\nbad,e5\n")
    assert "prompts.csv, line 3: language 'e5' is no ISO 639 code such as es or en" == cli.refused(
        "queries", "import", "1", "prompts.csv"
    )
    assert [] == cli.json("queries", "list", "1")
    assert cli.refused("queries", "import", "1", ".").startswith("Invalid value for 'FILE': '.': Is a directory; see ")


@pytest.mark.ci
def test_queries_are_stored_in_one_transaction(cli: Cli, db: Database, quipu: int) -> None:
    """What the database refuses in the middle takes back what was stored before it."""
    db.execute("ALTER TABLE llm_monitoring_queries ADD CHECK (query_text <> 'bad')")
    assert "violates check constraint" in cli.refused("queries", "add", "1", "good", "bad")
    assert [] == cli.json("queries", "list", "1")


def test_budget_show_and_set(cli: Cli, ana: int) -> None:
    """A limit and a threshold are set alone or together, and the month is shown for everybody or for one."""
    said = "Nothing spent and no limit set: the first call opens an account with 100.00 USD a month.\n"
    assert said == cli.done("budget", "show")
    cli.done("users", "add", "luis@agency.example")
    assert (
        f"User 1 ({EMAIL}) may spend 12.50 USD a month, with an alert at 80.00 %; 0.0000 USD are spent this month.\n"
    ) == cli.done("budget", "set", EMAIL, "--limit", "12.5")
    cli.done("budget", "set", "1", "--threshold", "75.5%")
    cli.done("budget", "correct", "1", "10", "--reason", "before")
    cli.done("budget", "set", "2", "--limit", "1")
    shown = cli.json("budget", "show", EMAIL)[0]
    assert not shown.pop("pacing")["is_on"]
    assert {
        "user_id": 1, "email": EMAIL, "spent_usd": "10.0000000000", "reserved_usd": "0.0000000000", "saved_usd": "0",
        "budget_usd": "12.50", "percent": "80.0", "threshold": "75.50", "state": "near the limit", "forecast": None,
        "answers_out": 0, "out_until": None,
    } == shown  # fmt: skip
    assert ["near the limit", "ok"] == [row["state"] for row in cli.json("budget", "show")]
    assert all(each in cli.done("budget", "show") for each in (EMAIL, "10.0000", "12.50", "near the limit", "75.50"))
    cli.done("budget", "correct", "2", "1", "--reason", "all of it")
    assert ["blocked"] == [row["state"] for row in cli.json("budget", "show", "2")]


@pytest.mark.short(every=6)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "1"), "say what to set: --limit USD, --threshold PERCENT, or both"),
        (("set", "1", "--limit", "-1"), "'-1' is no limit: it must be an amount in USD from 0 to below 100000000"),
        (("set", "1", "--limit", "1.005"), "'1.005' is no limit: it must be an amount"),
        (("set", "1", "--limit", "NaN"), "'NaN' is no limit: it must be an amount"),
        (("set", "1", "--threshold", "101"), "'101' is no percentage from 0 to 100, with two decimals at most"),
        (("set", "1", "--threshold", "-1"), "'-1' is no percentage from 0 to 100"),
        (("correct", "1", "ten", "--reason", "x"), "'ten' is no amount in USD"),
        (("correct", "1", "0", "--reason", "x"), "'0' is no correction: give an amount other than 0"),
        (("correct", "1", "0.00000000001", "--reason", "x"), "'0.00000000001' is no correction"),
        (("correct", "1", "1", "--reason", " "), "a correction needs a reason: --reason TEXT"),
        (("correct", "1", "1"), "Missing option '--reason'; see `python -m llm_monitoring budget correct --help`"),
        (("correct", "1", "-1", "--reason", "x"), "user 1: a correction of -1 USD would make the spend negative"),
    ],
)
def test_budget_refused(cli: Cli, db: Database, ana: int, arguments: tuple[str, ...], message: str) -> None:
    """An amount that no budget can hold is refused, and the ledger stays empty."""
    assert message == cli.refused("budget", *arguments)[: len(message)]
    assert [] == db.all("SELECT * FROM llm_call_attempts")


def test_budget_correct(cli: Cli, db: Database, ana: int) -> None:
    """A correction, also a negative one, is a ledger entry with its reason, and the books stay in balance."""
    assert f"User 1 ({EMAIL}): +1.5 USD entered; 1.5000 USD are spent this month.\n" == cli.done(
        "budget", "correct", "1", "1.5", "--reason", "a call by hand"
    )
    assert "-0.2500000001 USD entered; 1.2500 USD" in cli.done(
        "budget", "correct", EMAIL, "-0.2500000001", "--reason", "refund"
    )
    assert [("a call by hand", Decimal("1.5")), ("refund", Decimal("-0.2500000001"))] == [
        (row["error_message"], row["charged_usd"])
        for row in db.all("SELECT error_message, charged_usd FROM llm_call_attempts ORDER BY reserved_at")
    ]
    assert (
        "Ledger entries: 2, users: 1, charged in all: 1.2499999999 USD.\n"
        "No difference: every counter is the sum of its ledger entries.\n"
    ) == cli.done("budget", "audit")


def test_audit_finds_a_difference(cli: Cli, db: Database, ana: int) -> None:
    """A counter that is not the sum of its ledger is listed to the last digit, and the exit code is 1."""
    cli.done("budget", "correct", "1", "1.5", "--reason", "x")
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 1.4999999999")
    result = cli.run("budget", "audit")
    assert 1 == result.exit_code
    assert "" == result.stderr
    assert "NOT IN BALANCE: the counters of 1 user" in result.stdout
    assert "1.4999999999" in result.stdout
    assert "1.5000000000" in result.stdout
    found = cli.run("budget", "audit", "--json")
    difference = json.loads(found.stdout)["differences"][0]
    assert 1 == found.exit_code
    assert "1.4999999999" == difference["counted_spent"]
    assert "1.5000000000" == difference["ledger_spent"]


@pytest.mark.ci
def test_audit_notes(cli: Cli, db: Database, ana: int) -> None:
    """Open calls, calls above their ceiling and users above their limit are notes, and no difference."""
    ledger = Budget(db)
    calls = [Attempt(uuid.uuid4(), "probe", 1, "openai", "gpt-x", "user", Decimal("0.5")) for _ in range(2)]
    assert [True, True] == [admits(ledger, call) and ledger.mark_sent(call) for call in calls]
    db.execute(
        "UPDATE llm_call_attempts SET state = 'settled', charged_usd = 0.75, closed_at = now() WHERE id = %(id)s",
        {"id": str(calls[0].id)},
    )
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 0.75, reserved_spend_usd = 0.5")
    cli.done("budget", "set", "1", "--limit", "1")
    printed = cli.done("budget", "audit")
    for note in ("No difference", "spent and reserved above the limit", "billed above their reserv", "calls open now"):
        assert note in printed
    found = cli.json("budget", "audit")
    assert found["in_balance"] is True
    assert ["1.00"] == [row["budget_usd"] for row in found["over_budget"]]
    assert ["0.7500000000"] == [row["charged_usd"] for row in found["over_ceiling"]]
    assert [1] == [row["attempts"] for row in found["open_attempts"]]


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


def test_keys_rotate_names_what_it_leaves(cli: Cli, db: Database, ana: int) -> None:
    """A stored value that is no key ends rotation with exit code 1 and its name, after every other key is sealed."""
    cli.done("keys", "set", "1", "google", stdin=KEY)
    db.execute("UPDATE user_llm_api_keys SET openai_api_key_encrypted = 'garbage'")
    result = cli.run("keys", "rotate")
    assert 1 == result.exit_code
    assert "Keys encrypted again: 0, up to date already: 1.\n" == result.stdout
    assert (
        "1 stored values were left as they are, every other key is encrypted: the openai key of user 1" in result.stderr
    )
