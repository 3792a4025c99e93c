"""What commands print: tables and JSON that no stored text can turn into anything else."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from llm_monitoring import logs
from llm_monitoring.cli.base import output
from llm_monitoring.cli.base.questions import choose
from llm_monitoring.domain import Secret
from llm_monitoring.process import wording

HOSTILE = "[red]x[/red] :smile: \x1b]0;owned\x07\x1b[2J \x9b31m a\nb \u202egpj \x7f"


def controls(text: str) -> list[str]:
    return [character for character in text if character != "\n" and logs.UNSAFE.match(character)]


def test_table_shows_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup, emoji codes, escapes and line breaks of a value are shown as they are written."""
    output.show_rows([{"name": HOSTILE}], {"Name": "name"}, as_json=False, empty="none")
    shown = capsys.readouterr().out
    assert [] == controls(shown)
    assert 3 == len(shown.splitlines())
    assert r"[red]x[/red] :smile: \x1b]0;owned\x07\x1b[2J \x9b31m a\nb \u202egpj \x7f" in shown


def test_fields_and_sentences_show_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The two other ways to print are as careful as tables."""
    output.show_fields({"name": HOSTILE}, {"Name": "name"})
    output.say(HOSTILE)
    shown = capsys.readouterr().out
    assert [] == controls(shown)
    assert 2 == len(shown.splitlines())
    assert 2 == shown.count("[red]x[/red] :smile: ")


def test_json_keeps_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON escapes what a terminal would obey, and reads back as the very same text."""
    output.show_json([{"name": HOSTILE, "español": "ñ"}])
    shown = capsys.readouterr().out
    assert [] == controls(shown)
    assert [{"name": HOSTILE, "español": "ñ"}] == json.loads(shown)
    assert '"ñ"' in shown


def test_json_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts are exact text, days and moments ISO 8601, and a secret has no form at all."""
    moment = datetime(2026, 11, 23, 4, 0, 1, tzinfo=UTC)
    output.show_json({"usd": Decimal("1E-10"), "day": date(2026, 11, 23), "at": moment, "none": None})
    assert {
        "usd": "0.0000000001",
        "day": "2026-11-23",
        "at": "2026-11-23T04:00:01+00:00",
        "none": None,
    } == json.loads(capsys.readouterr().out)
    with pytest.raises(TypeError, match="Secret has no form in JSON"):
        output.show_json({"key": Secret("sk-x")})


def test_pipes_get_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, a row is one line however long it is, without spaces at its end."""
    output.show_rows([{"a": "x" * 300, "b": None}], {"A": "a", "B": "b"}, as_json=False, empty="none")
    assert ["x" * 300] == capsys.readouterr().out.splitlines()[2:]


def test_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table is a sentence, and an empty JSON array an array."""
    output.show_rows([], {"A": "a"}, as_json=False, empty="There are none.")
    output.show_rows([], {"A": "a"}, as_json=True, empty="There are none.")
    assert "There are none.\n[]\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (Decimal("1E+2"), "100"),
        (datetime(2026, 11, 23, 4, 0, 59, tzinfo=UTC), "2026-11-23 04:00"),
        (date(2026, 11, 23), "2026-11-23"),
        (("a", "b"), "a, b"),
        (7, "7"),
    ],
)
def test_cell(value: object, expected: str) -> None:
    """A value is written as people read it."""
    assert expected == output.cell(value)


def test_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    """A column of numbers is aligned at its right end, one of words or answers at its left."""
    rows = [{"n": 1, "w": "a", "b": True}, {"n": 100, "w": "abc", "b": False}]
    output.show_rows(rows, {"N": "n", "W": "w", "B": "b"}, as_json=False, empty="none")
    assert ["  1  a    yes", "100  abc  no"] == capsys.readouterr().out.splitlines()[2:]


ROWS = [
    {
        "run": 123456,
        "day": date(2026, 11, 28),
        "at": datetime(2026, 11, 28, 14, 24, tzinfo=UTC),
        "usd": Decimal("12.3456"),
        "model": "claude-sonnet-5-5",
        "why": "a rather long explanation of what happened here",
    },
    {"run": 7, "day": date(2026, 11, 28), "at": None, "usd": None, "model": "gpt-6", "why": None},
]
WHOLE = ["123456", "2026-11-28 14:24", "12.3456", "claude-sonnet-5-5", "explanation"]


@pytest.mark.parametrize("width", [120, 100, 80, 60, 40])
def test_numbers_and_names_stay_whole(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow the terminal, no number, moment or identifier is broken, and no line is wider than it."""
    monkeypatch.setattr(output, "terminal", lambda: Console(file=io.StringIO(), width=width, highlight=False))
    columns = {"Run": "run", "Day": "day", "Started (UTC)": "at", "Cost USD": "usd", "Model": "model", "Why": "why"}
    output.show_rows(ROWS, columns, as_json=False, empty="none")
    shown = capsys.readouterr().out
    assert [] == [text for text in WHOLE if text not in shown]
    assert [] == [line for line in shown.splitlines() if len(line) > width]


def test_lines_end_between_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence is wrapped where words end at the terminal's width, and not at all in a pipe."""
    sentence = "Users' API keys are stored encrypted under LLM_KEYS_ENCRYPTION_KEY, which is not set. " * 2
    output.say(sentence)
    assert f"{sentence}\n" == capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    output.say(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert sentence.split() == " ".join(lines).split()


def test_nothing_that_is_printed_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences, tables and JSON hide what was registered."""
    logs.register_secret(Secret("zq-canary-0123456789"))
    output.say("a zq-canary-0123456789")
    output.show_json({"a": ["zq-canary-0123456789"], "b": 1})
    output.print_table([{"a": "zq-canary-0123456789"}], {"A": "a"})
    shown = capsys.readouterr().out
    assert 3 == shown.count("***")
    assert "canary" not in shown


@pytest.mark.parametrize(("number", "expected"), [(0, "0 answers"), (1, "1 answer"), (2, "2 answers")])
def test_counted(number: int, expected: str) -> None:
    """A number has its noun in the form that belongs to it."""
    assert expected == wording.counted(number, "answer")


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/opt/venv/bin/llm-monitoring", "llm-monitoring"),
        ("/opt/venv/bin/llm-monitoring-daily", "llm-monitoring"),
        ("/src/llm_monitoring/__main__.py", "python -m llm_monitoring"),
        ("", "python -m llm_monitoring"),
    ],
)
def test_program_name(started: str, expected: str) -> None:
    """Help and hints name the command that was typed."""
    assert expected == wording.program_name(started)


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "escapes"), [("1", 0), ("", 1)], ids=["set", "unset"])
def test_no_color_means_no_escape(monkeypatch: pytest.MonkeyPatch, no_color: str, escapes: int) -> None:
    """Not even bold titles: the terminal may be a log of another program."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    output.show_rows([{"name": "x"}], {"Name": "name"}, as_json=False, empty="none")
    assert escapes == min(1, screen.getvalue().count("\x1b"))


def test_a_choice_by_a_word() -> None:
    """What is no number of an option is called that, and the question is asked again."""
    with CliRunner().isolation(input="ana@agency.example\n3\n2\n") as (shown, *_):
        assert 1 == choose("Which user?", ["Ana", "a new user"])
        said = shown.getvalue().decode()
    assert "'ana@agency.example' is not a valid number" in said
    assert "3 is not in the range 1<=x<=2" in said


def test_no_width_of_a_terminal_loses_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table shows every character of every cell at whatever width it fits into."""
    row = {
        "site": "agenciatributaria.gob.es",
        "kind": "institutional",
        "answers": 26,
        "prompts": 10,
        "competitors": "Holded 24, Contasimple 18, Billin 14, Sage 12",
    }
    titles = {name.title(): name for name in row}
    wanted = sorted("".join(titles) + "".join(map(str, row.values())).replace(" ", ""))
    for width in range(70, 110):
        printed = io.StringIO()
        console = Console(file=printed, width=width)
        monkeypatch.setattr(output, "terminal", lambda console=console: console)
        monkeypatch.setattr(click, "echo", lambda text, printed=printed: printed.write(text))
        output.print_table([row], titles)
        shown = printed.getvalue()
        assert wanted == sorted("".join(shown.replace("─", "").split())), width
        assert width >= max(map(len, shown.splitlines()))
