"""`python -m llm_monitoring`, installed also as `llm-monitoring`: the admin's command line."""

from __future__ import annotations

from typing import NoReturn

from llm_monitoring.cli.completion import VARIABLE
from llm_monitoring.cli.root import root
from llm_monitoring.process.streams import run_program
from llm_monitoring.process.wording import PROGRAM


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    run_program(lambda: root.main(prog_name=PROGRAM, complete_var=VARIABLE), quiet_on_closed_pipe=True)


if __name__ == "__main__":
    main()
