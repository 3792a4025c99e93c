"""Standard streams of a program that exits with code 1 and one line if they did not accept all output."""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, TextIO

from llm_monitoring.process.installation import imported
from llm_monitoring.process.signals import end_on_stop_as_process_one

INPUT: Final = 0
OUTPUT: Final = 1
ERRORS: Final = 2
FAILED: Final = 1
INTERRUPTED: Final = 128 + signal.SIGINT


class StandardFile(io.FileIO):
    """The file of a standard stream; it keeps the first error of a write, also if the writer ignores it."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as exc:
            self.failure = self.failure or exc
            raise


class StandardStream(io.TextIOWrapper):
    """Standard output or error of a program. Characters that its encoding lacks are escaped."""

    def __init__(self, descriptor: int, before: TextIO | None) -> None:
        self.file = StandardFile(descriptor, "w", closefd=False)
        unbuffered = isinstance(before, io.TextIOWrapper) and before.write_through
        buffer: Any = self.file if unbuffered else io.BufferedWriter(self.file)
        super().__init__(
            buffer,
            encoding=before.encoding if before else "utf-8",
            errors="backslashreplace",
            line_buffering=descriptor == ERRORS or self.file.isatty(),
            write_through=unbuffered,
        )

    def finish(self) -> OSError | None:
        """Write the buffer; after an error drop the rest, because the interpreter would try again and fail."""
        with suppress(OSError):
            self.flush()
        if self.file.failure is not None:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.file.fileno())
            os.close(nothing)
        return self.file.failure


def run_job(module: str) -> NoReturn:
    """Import `module`, which takes most of a second, and run its `main` as `run_program` does."""
    run_program(lambda: int(imported(module).main()))


def run_program(main: Callable[[], int | None], *, quiet_on_closed_pipe: bool = False) -> NoReturn:
    """Run `main` and exit with its code, or with 1 if standard output or error did not accept all output.

    With `quiet_on_closed_pipe` a reader that left early, as `head` does, gets exit code 1 without a message.
    """
    end_on_stop_as_process_one()
    open_missing_descriptors()
    if sys.stdin is None:
        sys.stdin = empty_input()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core holds the master key and API keys
    output, errors = StandardStream(OUTPUT, sys.stdout), StandardStream(ERRORS, sys.stderr)
    sys.stdout, sys.stderr = output, errors
    code: str | int | None = FAILED
    try:
        code = main()
    except SystemExit as exc:
        code = exc.code
    except KeyboardInterrupt:  # Ctrl-C where no work is under way that has to be ended well
        code = INTERRUPTED
        with suppress(OSError):
            print("error: interrupted", file=errors)
    except OSError as exc:
        if not is_stream_failure(exc):
            raise
    finally:
        failure = output.finish()
        if failure is not None and not (quiet_on_closed_pipe and failure.errno == errno.EPIPE):
            with suppress(OSError):
                print(f"error: standard output: {failure.strerror}", file=errors)
        broken = errors.finish() is not None or failure is not None
    sys.exit(code or FAILED if broken else code)


def empty_input() -> TextIO:
    """Standard input in place of a closed one: whoever asks or reads finds its end."""
    file = io.FileIO(INPUT, closefd=False)
    file.name = "<stdin>"
    return io.TextIOWrapper(io.BufferedReader(file), encoding="utf-8")


def is_stream_failure(error: BaseException | None) -> bool:
    """Return whether `error` is from a standard stream, which `run_program` reports at the end."""
    files = [stream.file for stream in (sys.stdout, sys.stderr) if isinstance(stream, StandardStream)]
    return isinstance(error, OSError) and any(
        file.failure is not None and is_same(file.failure, error) for file in files
    )


def is_same(first: OSError, error: OSError) -> bool:
    """Return whether `error` is `first` or a repetition: a full disk refuses later writes, too."""
    return error is first or (error.errno == first.errno and error.filename is None)


def open_missing_descriptors() -> None:
    """Open the descriptors of closed streams, because a socket could get such a number and receive the output.

    Writes to standard output then fail; those to standard error are dropped, as the caller wanted.
    """
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)
