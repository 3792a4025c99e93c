"""`python -m llm_monitoring`: the admin's command line."""

from __future__ import annotations

from llm_monitoring.cli.completion import VARIABLE
from llm_monitoring.cli.root import root
from llm_monitoring.process.streams import run_program
from llm_monitoring.process.wording import PROGRAM

if __name__ == "__main__":
    run_program(lambda: root.main(prog_name=PROGRAM, complete_var=VARIABLE), quiet_on_closed_pipe=True)
