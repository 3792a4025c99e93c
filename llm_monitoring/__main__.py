"""`python -m llm_monitoring`, installed also as `llm-monitoring`: the admin's command line."""

from __future__ import annotations

from typing import NoReturn

from llm_monitoring.process.installation import imported
from llm_monitoring.process.streams import run_program
from llm_monitoring.process.wording import PROGRAM


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    run_program(start, quiet_on_closed_pipe=True)


def start() -> int | None:
    root, variable = imported("llm_monitoring.cli.root").root, imported("llm_monitoring.cli.completion").VARIABLE
    code: int | None = root.main(prog_name=PROGRAM, complete_var=variable)
    return code


if __name__ == "__main__":
    main()
