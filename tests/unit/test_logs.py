"""Log lines: their form on Railway and on a terminal, and what they never show."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from llm_monitoring import logs
from llm_monitoring.logs import redaction
from llm_monitoring.settings.fields import load_settings

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary+of/odd~form-7Q2Z9XKD"
log = logging.getLogger("llm_monitoring.jobs.daily")


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave logging, hooks and registered secrets as they were."""
    monkeypatch.setattr(redaction, "SECRETS", redaction.SecretMasker())
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    level, chatty = logging.getLogger().level, {name: logging.getLogger(name).level for name in logs.CHATTY}
    yield
    for handler in logs.line_handlers():
        logging.getLogger().removeHandler(handler)
    logging.getLogger().setLevel(level)
    for name, before in chatty.items():
        logging.getLogger(name).setLevel(before)


def configured(**environ: str) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(load_settings(environ, dotenv=False), stream=stream)
    return stream


def plain(**environ: str) -> io.StringIO:
    return configured(LLM_LOG_FORMAT="plain", **environ)


def only_line(stream: io.StringIO) -> dict[str, Any]:
    text = stream.getvalue()
    assert text.count("\n") == 1
    fields = json.loads(text)
    assert isinstance(fields, dict)
    return fields


def fail_with(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as exc:
        raise RuntimeError("while calling") from exc


def test_plain_lines() -> None:
    """On a terminal INFO is the sentence alone, as indented, and other levels come first."""
    stream = plain()
    log.debug("unseen")
    log.info("   Duración: %.1fs", 42.3, extra={"event": "project.done"})
    log.warning("⚠️ 1 usuario(s) cerca del límite:")
    log.error("❌ Proyecto #2: no")
    assert stream.getvalue() == (
        "   Duración: 42.3s\nWARNING ⚠️ 1 usuario(s) cerca del límite:\nERROR   ❌ Proyecto #2: no\n"
    )


def test_debug_lines_name_their_logger() -> None:
    """At DEBUG a reader sees who speaks."""
    stream = plain(LLM_LOG_LEVEL="DEBUG")
    log.debug("asked")
    assert stream.getvalue() == "DEBUG   llm_monitoring.jobs.daily: asked\n"


def test_json_line() -> None:
    """On Railway one event is one line of JSON with every extra field."""
    stream = configured(RAILWAY_ENVIRONMENT_NAME="production")
    before = datetime.now(UTC)
    log.warning(
        "🔔 listo %s",
        "ya",
        extra={
            "event": "run.ended",
            "project_id": 1,
            "cost_usd": Decimal("1E-8"),
            "day": date(2026, 11, 23),
            "llms": ["openai", {"rate": 0.5, "odd": float("nan")}],
            "none": None,
        },
    )
    fields = only_line(stream)
    moment = datetime.fromisoformat(fields.pop("time"))
    assert before.timestamp() - 0.001 <= moment.timestamp() <= time.time()
    assert fields == {
        "message": "🔔 listo ya",
        "level": "warn",
        "logger": "llm_monitoring.jobs.daily",
        "event": "run.ended",
        "project_id": 1,
        "cost_usd": "0.00000001",
        "day": "2026-11-23",
        "llms": ["openai", {"rate": 0.5, "odd": "nan"}],
        "none": None,
    }
    assert "🔔" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "name"),
    [(10, "debug"), (20, "info"), (30, "warn"), (40, "error"), (50, "error")],
)
def test_railway_levels(level: int, name: str) -> None:
    """Levels have the names that Railway knows."""
    stream = configured(LLM_LOG_FORMAT="json", LLM_LOG_LEVEL="DEBUG")
    log.log(level, "x")
    assert only_line(stream)["level"] == name


def test_extra_does_not_hide_the_event() -> None:
    """A field that is named like one of ours does not replace it."""
    stream = configured(LLM_LOG_FORMAT="json")
    log.info("real", extra={"level": "error", "time": "never"})
    fields = only_line(stream)
    assert fields["level"] == "info"
    assert fields["time"] != "never"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "stream", "json_expected"),
    [
        ({}, io.StringIO, False),
        ({"RAILWAY_ENVIRONMENT": "x"}, io.StringIO, True),
        ({"RAILWAY_ENVIRONMENT": "x"}, Terminal, False),
        ({"LLM_LOG_FORMAT": "json"}, Terminal, True),
        ({"RAILWAY_ENVIRONMENT": "x", "LLM_LOG_FORMAT": "plain"}, io.StringIO, False),
    ],
)
def test_form_of_lines(environ: dict[str, str], stream: type[io.StringIO], json_expected: bool) -> None:
    """JSON is for Railway's log, plain lines for people, and LLM_LOG_FORMAT has the last word."""
    target = stream()
    logs.configure(load_settings(environ, dotenv=False), stream=target)
    log.info("hola")
    assert target.getvalue().startswith("{") is json_expected


def test_configuring_twice_keeps_one_handler() -> None:
    """A second configuration replaces the first."""
    first, second = plain(), plain()
    log.info("once")
    assert "" == first.getvalue()
    assert "once\n" == second.getvalue()


@pytest.mark.parametrize("form", ["json", "plain"])
def test_registered_secret_is_hidden_everywhere(form: str) -> None:
    """No key, whole or its last eight characters, leaves by message, arguments, fields or traceback."""
    stream = configured(LLM_LOG_FORMAT=form, LLM_LOG_LEVEL="DEBUG", OPENAI_API_KEY=CANARY)
    extra = {
        "key": CANARY,
        "nested": [{CANARY: (CANARY,)}],
        "raw": CANARY.encode(),
        "error": ValueError(CANARY),
    }
    log.info("a %s b", CANARY, extra=extra)
    log.info(f"ends in {CANARY[-8:]}!")  # noqa: G004
    log.info(CANARY, stack_info=True)
    logging.getLogger("httpx2").debug("%s", {"authorization": CANARY})
    try:
        fail_with(f"bad key {CANARY}")
    except RuntimeError:
        log.exception("failed")
    assert CANARY[-8:] not in stream.getvalue()
    assert CANARY[:20] not in stream.getvalue()
    assert "a *** b" in stream.getvalue()
    assert "ValueError: bad key ***" in stream.getvalue()


def test_another_handler_does_not_leak_through_the_record() -> None:
    """A traceback that another handler formatted before is not taken over unredacted."""
    stream = io.StringIO()
    other = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(other)
    logs.configure(load_settings({"OPENAI_API_KEY": CANARY}, dotenv=False), stream=stream)
    try:
        fail_with(CANARY)
    except RuntimeError:
        log.exception("failed")
    logging.getLogger().removeHandler(other)
    assert CANARY[-8:] not in stream.getvalue()


def test_master_keys_and_password_are_registered() -> None:
    """Each key of the ring and the database's password are hidden by value; a short password is not."""
    plain(
        LLM_KEYS_ENCRYPTION_KEY="ring-of-the-first, ring-of-the-second",
        DATABASE_URL="postgresql://u:long%23password1@h/d",
    )
    text = "ring-of-the-first ring-of-the-second long#password1 long%23password1"
    assert logs.redact(text) == "*** *** *** ***"
    plain(DATABASE_URL="postgresql://postgres:postgres@h/d")
    assert logs.redact("postgres") == "postgres"


def test_secrets_of_sign_ins_are_registered() -> None:
    """Ours at the provider of sign-ins, and the one that we share with the host application."""
    plain(LLM_OIDC_CLIENT_SECRET="secret-at-the-provider", LLM_HAND_OFF_SECRET="secret-of-the-host-with-32-characters")
    assert "*** ***" == logs.redact("secret-at-the-provider secret-of-the-host-with-32-characters")


def test_control_characters_are_spelled_out() -> None:
    """Nothing in a message moves the cursor, colours the screen or begins a line of its own."""
    stream = plain()
    log.info("a\x1b[2Jb\r\n🎉 forged\t\x9b\u2028\u202e\ud800\x00")
    assert stream.getvalue() == "a\\x1b[2Jb\\r\\n🎉 forged\\t\\x9b\\u2028\\u202e\\ud800\\x00\n"


def test_json_is_one_line() -> None:
    """No character that ends a line anywhere is left raw in a JSON line."""
    stream = configured(LLM_LOG_FORMAT="json")
    try:
        fail_with("a\nb\u2028c\x85d")
    except RuntimeError:
        log.exception("x\ny", extra={"field\n": "p\u2029q"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "ValueError: a\nb\\u2028c\\x85d\n" in only_line(stream)["exception"]


def test_plain_traceback_is_readable() -> None:
    """A traceback keeps its lines, each indented, so that none passes for a log line."""
    stream = plain()
    try:
        fail_with("boom\n🎉 forged \x1b[1m")
    except RuntimeError:
        log.exception("failed")
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["ERROR   failed", "    Traceback (most recent call last):"]
    assert "    ValueError: boom" in lines
    assert "    🎉 forged \\x1b[1m" in lines
    assert all(line.startswith("    ") for line in lines[1:])


def test_arguments_that_do_not_fit() -> None:
    """A message whose arguments do not fit is still a line, and still redacted."""
    stream = plain(OPENAI_API_KEY=CANARY)
    record = logging.makeLogRecord({"levelno": logging.INFO, "msg": "%d of %s", "args": (CANARY,)})
    for handler in logs.line_handlers():  # not through the logger: pytest's own handler would raise
        handler.handle(record)
    assert stream.getvalue() == "%d of %s ('***',)\n"


def test_chatty_libraries() -> None:
    """HTTP and SDK loggers speak from WARNING up, unless everything is at DEBUG."""
    stream = plain()
    logging.getLogger("httpx2").info("HTTP Request")
    logging.getLogger("openai._base_client").warning("odd")
    assert stream.getvalue() == "WARNING odd\n"
    stream = plain(LLM_LOG_LEVEL="DEBUG")
    logging.getLogger("httpx2").info("HTTP Request")
    assert stream.getvalue() == "HTTP Request\n"
    stream = plain(LLM_LOG_LEVEL="ERROR")
    logging.getLogger("openai").warning("odd")
    assert stream.getvalue() == ""


def test_python_warnings_are_logged() -> None:
    """A library's warning is an event in one line."""
    stream = configured(LLM_LOG_FORMAT="json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("\n\nold\nthing", FutureWarning, stacklevel=1)
    fields = only_line(stream)
    assert fields["message"] == "Aviso de Python (FutureWarning): old thing"
    assert "warn" == fields["level"]
    assert "python.warning" == fields["event"]
    assert fields["source_file"] == __file__


def test_lost_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed log stops nothing, and what could not be written is not printed elsewhere."""
    stream = plain(OPENAI_API_KEY=CANARY)
    stream.close()
    log.info(CANARY, extra={"event": f"run.{CANARY}"})
    captured = capsys.readouterr()
    assert captured.err == "a log line was lost (run.***): <class 'ValueError'>\n"
    assert captured.out == ""


def test_console_with_progress_bar() -> None:
    """While a console is attached lines go through it, unwrapped and without markup, and back afterwards."""
    stream = plain()
    screen = io.StringIO()
    console = Console(file=screen, width=20, force_terminal=True)
    with logs.log_through(console):
        log.info("[bold]%s[/bold] :smile: %s", 1, "x" * 40)
    log.info("after")
    assert screen.getvalue() == f"[bold]1[/bold] :smile: {'x' * 40}\n"
    assert stream.getvalue() == "after\n"


def test_console_is_detached_after_an_error() -> None:
    """An error under the progress bar leaves the log on its own stream."""
    stream = plain()
    with contextlib.suppress(RuntimeError), logs.log_through(Console(file=io.StringIO())):
        fail_with("boom")
    log.info("after")
    assert stream.getvalue() == "after\n"


SCRIPT = """
import logging, os, sys, threading, warnings
from llm_monitoring import logs
from llm_monitoring.logs import redaction
from llm_monitoring.settings import load_settings
logs.configure(load_settings(dotenv=False))
log = logging.getLogger("x")
log.info("🎉 fin")
logging.getLogger("lib").error("of a library")
warnings.warn("old " + os.environ["OPENAI_API_KEY"])
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
raise RuntimeError(os.environ["OPENAI_API_KEY"])
"""


def run_script(**environ: str) -> subprocess.CompletedProcess[bytes]:
    environ = {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": CANARY, **environ}
    return subprocess.run([sys.executable, "-c", SCRIPT], env=environ, capture_output=True, check=False)


def test_nothing_on_standard_error() -> None:
    """On Railway warnings, uncaught errors and those of threads are events on stdout; stderr stays empty."""
    result = run_script(RAILWAY_ENVIRONMENT_NAME="production", PYTHONIOENCODING="utf-8")
    assert 1 == result.returncode
    assert b"" == result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    expected = [
        ("info", "🎉 fin"),
        ("error", "of a library"),
        ("warn", "Aviso de Python (UserWarning): old ***"),
        ("error", "💥 Error no controlado: ZeroDivisionError"),
        ("error", "💥 Error no controlado: RuntimeError"),
    ]
    assert expected == [(event["level"], event["message"]) for event in events]
    assert CANARY[-8:].encode() not in result.stdout


@pytest.mark.parametrize(("form", "shown"), [("plain", b"\\U0001f389 fin"), ("json", b"\\ud83c\\udf89 fin")])
def test_stream_without_unicode(form: str, shown: bytes) -> None:
    """Where stdout cannot hold an emoji the line is written all the same, and JSON stays JSON."""
    result = run_script(LLM_LOG_FORMAT=form, PYTHONIOENCODING="ascii")
    assert b"" == result.stderr
    assert shown in result.stdout.splitlines()[0]
    if form == "json":
        assert json.loads(result.stdout.splitlines()[0])["message"] == "🎉 fin"
