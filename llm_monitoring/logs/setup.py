"""Sets up logging: the stream and form of log lines, without secrets."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

from llm_monitoring.logs.formatters import JsonFormatter, PlainFormatter, plain_value
from llm_monitoring.logs.redaction import register_settings
from llm_monitoring.process.streams import is_stream_failure
from llm_monitoring.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

CHATTY: Final = ("anthropic", "google_genai", "httpcore", "httpcore2", "httpx", "httpx2", "mcp", "openai", "urllib3")


class LineHandler(logging.StreamHandler[Any]):
    """Writes lines; a line that cannot be written is reported as lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report the event only: the standard handler would print the record with its secrets."""
        if is_stream_failure(sys.exc_info()[1]):  # reported once, as the program ends
            return
        with suppress(OSError, ValueError):
            event = plain_value(getattr(record, "event", "log"))
            print(f"a log line was lost ({event}): {sys.exc_info()[0]}", file=sys.stderr)


class ConsoleStream:
    """A stream that writes above a console's progress bar."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, text: str) -> None:
        self.console.print(text, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)


@contextmanager
def log_through(console: Console) -> Iterator[None]:
    """Send log lines through `console` while its progress bar is shown."""
    handlers = line_handlers()
    streams = [handler.setStream(ConsoleStream(console)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)


def line_handlers() -> list[LineHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, LineHandler)]


def configure(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send every event, warning and uncaught error to `stream` (stdout by default), without secrets."""
    register_settings(settings)
    root = logging.getLogger()
    for handler in line_handlers():
        root.removeHandler(handler)
    root.addHandler(line_handler(settings, stream or sys.stdout))
    root.setLevel(settings.log_level)
    for name in CHATTY:
        quiet = max(root.level, logging.WARNING)
        logging.getLogger(name).setLevel(logging.DEBUG if root.level == logging.DEBUG else quiet)
    warnings.showwarning = log_warning
    sys.excepthook = log_uncaught
    threading.excepthook = log_uncaught_in_thread


def line_handler(settings: Settings, stream: TextIO) -> LineHandler:
    if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 must not lose a line for an emoji
        stream.reconfigure(errors="backslashreplace")
    handler = LineHandler(stream)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    ascii_only = encoding.lower() not in ("utf-8", "utf8")
    handler.setFormatter(JsonFormatter(ascii_only=ascii_only) if speaks_json(settings, stream) else PlainFormatter())
    return handler


def speaks_json(settings: Settings, stream: TextIO) -> bool:
    """Whether lines are JSON: `railway run` in a terminal sets Railway's variables, but a person reads the lines."""
    if settings.log_format == "auto":
        return settings.on_railway and not stream.isatty()
    return settings.log_format == "json"


def log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    fields = {"event": "python.warning", "source_file": filename, "source_line": lineno}
    log.warning("Aviso de Python (%s): %s", category.__name__, " ".join(str(message).split()), extra=fields)


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical(
        "💥 Error no controlado: %s",
        kind.__name__,
        exc_info=(kind, error, trace),
        extra={"event": "uncaught"},
    )


def log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    log_uncaught(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
