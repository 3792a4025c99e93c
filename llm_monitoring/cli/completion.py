"""`completion`: a shell function for the commands, and its completion with Tab."""

from __future__ import annotations

import shlex
import sys
from typing import Final

import click
from click.shell_completion import get_completion_class

from llm_monitoring.cli.base.command import example
from llm_monitoring.process import location
from llm_monitoring.process.wording import COMMAND

VARIABLE: Final = "_LLM_MONITORING_COMPLETE"
ZSH_COMPLETES: Final = "(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}\n"
FUNCTIONS: Final = {
    "bash": '{name}() {{ {run} "$@"; }}',
    "zsh": ZSH_COMPLETES + '{name}() {{ {run} "$@"; }}',
    "fish": "function {name}; {run} $argv; end",
}
# How each shell's script, as click writes it, calls the program: a function cannot be called through `env`.
CALLS: Final = {
    "bash": ("=bash_complete $1", "=bash_complete {run}"),
    "zsh": (f"=zsh_complete {COMMAND}", "=zsh_complete {run}"),
    "fish": (f"(commandline -t) {COMMAND}", "(commandline -t) {run}"),
}
ZSH_NEEDS_A_FILE: Final = f"    (( ! $+commands[{COMMAND}] )) && return 1\n"


@click.command(
    epilog=example(
        "completion bash >> ~/.bashrc", "completion zsh >> ~/.zshrc", "completion fish >> ~/.config/fish/config.fish"
    )
)
@click.argument("shell", type=click.Choice(list(FUNCTIONS)))
def completion(shell: str) -> None:
    """Print a script for SHELL that defines the command `llm-monitoring` and completes it with Tab."""
    click.echo(script(shell))


def script(shell: str) -> str:
    """The shell function and click's completion of it."""
    from llm_monitoring.cli.root import root

    checkout = location.checkout()
    path = f"PYTHONPATH={shlex.quote(str(checkout))} " if checkout else ""
    run = f"env {path}{shlex.quote(sys.executable)} -m llm_monitoring"
    kind = get_completion_class(shell)
    assert kind is not None
    maker = kind(root, {}, COMMAND, VARIABLE)
    before, after = CALLS[shell]
    source = (maker.source_template % maker.source_vars()).replace(ZSH_NEEDS_A_FILE, "")
    assert before in source
    return f"{FUNCTIONS[shell].format(name=COMMAND, run=run)}\n{source.replace(before, after.format(run=run))}"
