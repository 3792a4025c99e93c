"""Parts of all commands: groups that load lazily, shared options, one-line errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, ClassVar, Final, TypeVar

import click

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.errors import BadInput, Invalid, MonitoringError
from llm_monitoring.process.hints import explain
from llm_monitoring.process.streams import is_stream_failure
from llm_monitoring.process.wording import PROGRAM

LARGEST_ID: Final = 2**31 - 1
LONGEST_LINE: Final = 1000  # no line of help is cut: it is wrapped
LONGEST_ERROR: Final = 1200
NONE_LATE: Final[Mapping[str, tuple[str, str]]] = {}
F = TypeVar("F", bound=Callable[..., Any])


class Failed(click.ClickException):
    """The command failed: one line on standard error, exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        from llm_monitoring.logs import redact, visible

        click.echo(f"error: {shortened(visible(redact(' '.join(self.message.split()))))}", file=file, err=True)


def shortened(message: str) -> str:
    """A message with the middle of a very long one left out: what it repeats of the input, never what to do next."""
    if len(message) <= LONGEST_ERROR:
        return message
    return f"{message[: LONGEST_ERROR // 2]} […] {message[-LONGEST_ERROR // 2 :]}"


class Refused(Failed):
    """The input cannot be used: one line on standard error, exit code 2."""

    exit_code: ClassVar[int] = 2


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Show every expected error as one line, with the command that helps; a group without a command shows its help."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message())
        raise click.exceptions.Exit(0) from exc
    except click.UsageError as exc:
        place = exc.ctx.command_path if exc.ctx else PROGRAM
        raise Refused(f"{exc.format_message().rstrip('.')}; see `{place} --help`") from exc
    except BadInput as exc:
        raise Refused(explain(exc)) from exc
    except MonitoringError as exc:
        raise Failed(explain(exc)) from exc
    except click.Abort as exc:
        if sys.stdin is not None and sys.stdin.isatty():  # Ctrl-C
            raise
        raise Failed("no one answered: run this in a terminal, or see --help for --yes") from exc
    except OSError as exc:
        if is_stream_failure(exc):  # reported once, at the end of the program
            raise
        raise Failed(f"{f'{exc.filename}: ' if exc.filename else ''}{exc.strerror or exc}") from exc


class LateGroup(click.Group):
    """A group of which help cuts no line, with commands of other modules: `late` maps each to its module and its line.

    A module is imported when its command is used, so that no command waits for the imports of another. The root
    lists its commands as they are given, a group with commands of its own in alphabetical order.
    """

    def __init__(self, *args: Any, late: Mapping[str, tuple[str, str]] = NONE_LATE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.late = late

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self.late}) if self.commands else list(self.late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"llm_monitoring.cli.{self.late[cmd_name][0]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as exc:
            raise click.exceptions.NoSuchCommand(
                exc.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.line_of(name)) for name in self.list_commands(ctx)])

    def line_of(self, name: str) -> str:
        """What a command does, without its import."""
        if name in self.late:
            return self.late[name][1]
        return self.commands[name].get_short_help_str(LONGEST_LINE)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with one_line_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors():
            return super().invoke(ctx)


def example(*commands: str) -> str:
    """The end of a command's help: lines to copy."""
    lines = "\n".join(f"  {PROGRAM} {command}" for command in commands)
    return f"\b\nExample{'s' if len(commands) > 1 else ''}:\n{lines}"


def json_option(command: F) -> F:
    """`--json`: the same rows for programs, amounts as exact text, times in ISO 8601."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON: exact amounts as text, ISO times.")
    return option(command)


class Number(click.ParamType[int, Any]):
    """The number of a row. `name` is the kind of thing, `listing` the command that lists the numbers."""

    def __init__(self, name: str, listing: str) -> None:
        self.name = name
        self.listing = listing

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= LARGEST_ID):
            raise Invalid(self.name, f"{text!r} is no {self.name} number: see `{PROGRAM} {self.listing}`")
        return int(text)


class Provider(click.Choice[str]):
    """The name of a provider. An error never repeats the input: it may be a key."""

    def __init__(self) -> None:
        super().__init__(PROVIDERS, case_sensitive=False)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return "PROVIDER" if isinstance(param, click.Argument) else super().get_metavar(param, ctx)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"choose one of {', '.join(PROVIDERS)}"


PROJECT: Final = Number("project", "projects list")
PROVIDER: Final = Provider()
