"""Log lines: where they go, what they look like, and what they never show."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import sys
import threading
import traceback
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

from llm_monitoring import database_address
from llm_monitoring.domain import Secret
from llm_monitoring.settings import Settings
from llm_monitoring.streams import is_stream_failure

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

HIDDEN: Final = "***"
TAIL: Final = 8
SHORTEST_SECRET: Final = 4  # hiding anything shorter would blank ordinary words
SHORTEST_PASSWORD: Final = 6  # the same for passwords, some of which are ordinary words
ESCAPE_START: Final = "\\u00"
ESCAPE: Final = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")  # JSON's for an ASCII character, at any depth
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,}")  # what opens the address of a webhook or a chat
RAILWAY_LEVELS: Final = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn"}
CHATTY: Final = ("anthropic", "google_genai", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "urllib3")
ORDINARY: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

# Where a key may begin: not inside a word, but behind an escape, whose last character may be a letter or a digit.
BEGINNING: Final = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=\\u00[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=%[0-9A-Fa-f]{2}))"
)
LOOKS: Final = r"(?:sk-|AIza|AQ\.)[A-Za-z0-9_-]{10,}|pplx-[A-Za-z0-9_-]{12,}|gAAAAA[A-Za-z0-9_-]{40,}={0,2}"

# Every repetition has a bound, or a long hostile line would take forever.
PATTERNS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"(?=[sApg]){BEGINNING}(?:{LOOKS})", HIDDEN),
        (r"(?i)(\bBearer\s{1,4})[A-Za-z0-9._~+/=-]{12,}", rf"\1{HIDDEN}"),
        (r"(?i)(x-(?:goog-)?api-key['\"\s:=,]{1,8}(?:b?['\"])?)[^\s'\",)]{6,}", rf"\1{HIDDEN}"),
        (r"(?i)(postgres(?:ql)?(?:\+\w{1,20})?://[^\s:/@]{0,64}:)\S{0,300}@", rf"\1{HIDDEN}@"),
        (r"(://[^\s:/@]{0,64}:)[^\s/@]{1,300}@", rf"\1{HIDDEN}@"),
        (r"(?i)(\bpassword\s{0,4}=\s{0,4})(?:'[^']{0,300}'|[^\s'\"]{1,300})", rf"\1{HIDDEN}"),
    )
)
# C0 and C1 controls, line separators, marks that turn the direction of writing, lone surrogates
UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Registry:
    """The secrets to hide, known by their last characters and a digest: it keeps none in the clear."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tails: dict[str, frozenset[tuple[int, bytes]]] = {}
        self.sizes: tuple[int, ...] = ()
        self.alphabet: frozenset[str] = frozenset()
        self.runs = re.compile(r"(?!)")

    def add(self, text: str) -> None:
        tail = text[-TAIL:]
        if len(tail) < SHORTEST_SECRET:
            return
        with self.lock:
            self.tails[tail] = self.tails.get(tail, frozenset()) | {(len(text), digest(text))}
            if not (self.alphabet.issuperset(tail) and len(tail) in self.sizes):
                self.alphabet |= set(tail)
                sizes = tuple(sorted({*self.sizes, len(tail)}))
                self.runs = re.compile(f"[{re.escape(''.join(sorted(self.alphabet)))}]{{{sizes[0]},}}")
                self.sizes = sizes

    def hide(self, text: str) -> str:
        """Return `text` without secrets, also where JSON has escaped some of their characters or all."""
        spans = [*self.spans(text), *self.escaped_spans(text)]
        if not spans:
            return text
        pieces, done = [], 0
        for start, end in sorted(spans):
            pieces += [text[done:start], HIDDEN] if start >= done else []
            done = max(done, end)
        return "".join([*pieces, text[done:]])

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a secret, or only its end, stands: one look-up a position, however many are known.

        Only in stretches of characters that ends of secrets have: ordinary words are too short for one.
        """
        for run in self.runs.finditer(text):
            for size in self.sizes:
                for start in range(run.start(), run.end() - size + 1):
                    known = self.tails.get(text[start : start + size])
                    if known:
                        yield self.beginning(text, start, start + size, known), start + size

    def escaped_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield what `spans` finds once JSON's escapes of ASCII are read, at its place in `text`."""
        if ESCAPE_START not in text:
            return
        places, shifts = [], [0]  # where escapes stand in the text as read, and how much longer it was up to each
        for found in ESCAPE.finditer(text):
            places.append(found.start() - shifts[-1])
            shifts.append(shifts[-1] + len(found.group()) - 1)
        if places:
            for start, end in self.spans(ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)):
                yield start + shifts[bisect_left(places, start)], end + shifts[bisect_left(places, end)]

    def beginning(self, text: str, start: int, end: int, known: frozenset[tuple[int, bytes]]) -> int:
        whole = (end - length for length, seen in known if digest(text[max(0, end - length) : end]) == seen)
        return min(whole, default=start)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


REGISTRY: Final = Registry()


def register_secret(secret: Secret) -> None:
    """Hide this secret, whole or its last eight characters, in everything that is logged from now on."""
    REGISTRY.add(secret.reveal().strip())


def redact(text: str) -> str:
    """Return `text` without registered secrets or anything else that looks like a key or a password."""
    text = REGISTRY.hide(text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def visible(text: str) -> str:
    """Return `text` with control characters spelled out: nothing in it moves a cursor or starts a line."""
    return UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def sentence(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # arguments that do not fit: show both rather than lose the line
        text = f"{record.msg} {record.args}"
    return visible(redact(text))


def trace(record: logging.LogRecord) -> str:
    """Return the record's traceback in readable lines, or an empty string."""
    # Never record.exc_text: another handler may have left an unredacted traceback there.
    error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    lines = redact(f"{error}{record.stack_info or ''}").rstrip("\n").split("\n")
    return "\n".join(visible(line) for line in lines)


def plain_value(value: Any) -> Any:
    """Return what JSON can hold of `value`; amounts stay exact as text."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(plain_value(str(key))): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return visible(redact(value.isoformat() if isinstance(value, date) else str(value)))


class PlainFormatter(logging.Formatter):
    """The sentence, after its level unless that is INFO; a traceback below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname:<8}"
        source = f"{record.name}: " if record.levelno < logging.INFO else ""
        below = trace(record).replace("\n", "\n    ")
        return f"{level}{source}{sentence(record)}" + (below and f"\n    {below}")


class JsonFormatter(logging.Formatter):
    """One line of JSON an event, as Railway reads it; every `extra=` field is a field of its own."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        extra = {name: plain_value(value) for name, value in vars(record).items() if name not in ORDINARY}
        fixed = {
            "message": sentence(record),
            "level": RAILWAY_LEVELS.get(record.levelname, "error"),
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "event": extra.pop("event", "log"),
        }
        fields = {**fixed, **extra, **fixed}
        if record.exc_info or record.stack_info:
            fields["exception"] = trace(record)
        return json.dumps(fields, ensure_ascii=self.ascii_only)


class LineHandler(logging.StreamHandler[Any]):
    """Writes lines; a line that cannot be written is said to be lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Name the event and no more: the standard form prints the record as it is, secrets included."""
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
def through(console: Console) -> Iterator[None]:
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


def register_settings(settings: Settings) -> None:
    ring = settings.keys_encryption_key.reveal().split(",") if settings.keys_encryption_key else []
    for secret in (*settings.api_keys.values(), *map(Secret, ring)):
        register_secret(secret)
    targets = [*(settings.notify_urls or ()), *([settings.heartbeat_url] if settings.heartbeat_url else [])]
    for token in (token for target in targets for token in TOKEN.findall(target.reveal())):
        register_secret(Secret(token))
    register_passwords(settings.database_url or "")


def register_passwords(address: str) -> None:
    """Hide the passwords in a database's address, but for those that its public parts say as well."""
    public = database_address.public_words(address)
    for text in database_address.passwords(address):
        if len(text) >= SHORTEST_PASSWORD and text not in public:
            register_secret(Secret(text))


def line_handler(settings: Settings, stream: TextIO) -> LineHandler:
    if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 must not lose a line for an emoji
        stream.reconfigure(errors="backslashreplace")
    handler = LineHandler(stream)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    ascii_only = encoding.lower() not in ("utf-8", "utf8")
    handler.setFormatter(JsonFormatter(ascii_only=ascii_only) if speaks_json(settings, stream) else PlainFormatter())
    return handler


def speaks_json(settings: Settings, stream: TextIO) -> bool:
    """Whether lines are JSON; `railway run` in a terminal sets Railway's variables, but a person reads it."""
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
