"""The end of a program if its standard streams fail: small programs, started in an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
SPACE = "error: standard output: No space left on device\n"
BOUNDS = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


def run(body: str, redirection: str, **environment: str) -> tuple[int, str]:
    """Run a program with this body through a shell that redirects; return its exit code and standard error."""
    imports = "import sys\nfrom llm_monitoring.process.streams import run_program"
    program = f"{imports}\ndef main():\n    {body}\nrun_program(main)"
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, program],
        env={**BOUNDS, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("buffering", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "body",
    [
        "print('x')",
        "print('x' * 100_000)",
        "sys.stdout.buffer.write(b'x' * 100_000)",
        "print('x'); return 0",
        "print('x'); sys.exit(0)",
        "import argparse; argparse.ArgumentParser().parse_args(['--help'])",
        "import logging; logging.basicConfig(stream=sys.stdout); logging.raiseExceptions = False; logging.error('x')",
    ],
)
def test_a_full_disk_ends_with_one_line(body: str, buffering: dict[str, str]) -> None:
    """Exit code 1 and one line, however the output was written and whoever ignored the error."""
    assert (1, SPACE) == run(body, "> /dev/full", **buffering)


def test_a_refusal_keeps_its_code() -> None:
    """A program that failed for another reason keeps its own exit code."""
    assert (2, SPACE) == run("print('x'); return 2", "> /dev/full")


def test_nothing_to_print_needs_no_output() -> None:
    """A program that prints nothing ends well on a full disk."""
    assert (0, "") == run("return 0", "> /dev/full")


@pytest.mark.parametrize(
    ("redirection", "ending"),
    [
        (">&-", (1, "error: standard output: Bad file descriptor\n")),
        ("<&- >&-", (1, "error: standard output: Bad file descriptor\n")),
        ("2>&-", (0, "")),
        ("> /dev/full 2> /dev/full", (1, "")),
        ("> /dev/full 2>&-", (1, "")),
    ],
)
def test_closed_and_full_streams(redirection: str, ending: tuple[int, str]) -> None:
    """A closed output is an error; a closed standard error is not."""
    assert ending == run("print('x')", redirection)


def test_a_full_standard_error_is_no_success() -> None:
    """A message that was lost ends the program with 1; what was printed stays."""
    assert (1, "") == run("print('x', file=sys.stderr)", "2> /dev/full")


def test_a_closed_output_gives_its_place_to_no_file() -> None:
    """What is printed to a closed output never goes to a file or a socket that was opened since."""
    opening = "import os; print(os.open('/dev/null', os.O_RDONLY), file=sys.stderr); print('x')"
    assert (1, "3\nerror: standard output: Bad file descriptor\n") == run(opening, "<&- >&-")


@pytest.mark.parametrize(("quiet", "said"), [("False", "error: standard output: Broken pipe\n"), ("True", "")])
def test_a_reader_that_leaves(quiet: str, said: str) -> None:
    """A pipe that closes midway ends the program with 1; a command says nothing of it."""
    program = (
        "import sys, time\nfrom llm_monitoring.process.streams import run_program\n"
        "def main():\n    sys.stdin.read()\n    print('x' * 100_000)\n"
        f"run_program(main, quiet_on_closed_pipe={quiet})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=BOUNDS,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert said == process.stderr.read()
    process.stderr.close()
    assert 1 == process.wait(60)


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_an_encoding_without_the_letter(environment: dict[str, str]) -> None:
    """A letter that the encoding lacks is escaped: the program ends well."""
    assert (0, "") == run("print('\\xf1 \\U0001f389'); return 0", "", **environment)


def test_an_unforeseen_error_shows() -> None:
    """A mistake of ours is a traceback and exit code 1, also on a full disk."""
    code, said = run("print('x'); 1 / 0", "> /dev/full")
    assert 1 == code
    assert "ZeroDivisionError" in said


def test_a_closed_standard_input_is_an_empty_one() -> None:
    """Who asks for an answer or reads a file from it finds the end, not a missing object."""
    body = "sys.exit(7 if (sys.stdin.isatty(), sys.stdin.buffer.read()) == (False, b'') else 1)"
    assert (7, "") == run(body, "<&-")


def test_an_interrupted_program_says_so_in_a_line() -> None:
    """Ctrl-C is no fault of the program: no traceback, and the exit code that shells give it."""
    assert (130, "error: interrupted\n") == run("raise KeyboardInterrupt", "")
