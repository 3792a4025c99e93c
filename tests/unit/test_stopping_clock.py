"""The timer of a whole process: it ends work that neither a signal nor a deadline can end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUSY_IN_PYTHON = "while True: pass"
BUSY_IN_C = "import re; re.match('(a|a)*$', 'a' * 60 + 'b')"  # keeps the interpreter's lock


def started(program: str) -> subprocess.Popen[str]:
    """A process that prints a line and goes on with the program."""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_line(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert "ready\n" == process.stdout.readline()


def test_sigterm_ends_what_does_not_look() -> None:
    """A process that goes on after SIGTERM ends by itself after its grace."""
    process = started(
        "from llm_monitoring.process.signals import stoppable\n"
        f"with stoppable(0.1):\n    print('ready', flush=True)\n    {BUSY_IN_PYTHON}"
    )
    wait_for_line(process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert 1 == process.returncode
    assert "Timeout" in errors


@pytest.mark.parametrize("busy", [BUSY_IN_PYTHON, BUSY_IN_C])
def test_the_deadline_ends_what_holds_the_interpreter(busy: str) -> None:
    """A process ends at its deadline also if one call in C never lets another thread run."""
    process = started(f"from llm_monitoring.process.signals import ending_within\nwith ending_within(0.1):\n    {busy}")
    _, errors = process.communicate(timeout=120)
    assert 1 == process.returncode
    assert "Timeout" in errors


def test_what_ends_in_time_is_left_alone() -> None:
    """Neither clock goes on after the work that it watches."""
    process = started(
        "import os, signal, time\n"
        "from llm_monitoring.process.signals import ending_within, stoppable\n"
        "with ending_within(0.2), stoppable(0.2) as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    stop.wait(60)\n"
        "time.sleep(0.6)"
    )
    _, errors = process.communicate(timeout=120)
    assert 0 == process.returncode
    assert "" == errors


def test_programs_leave_no_core() -> None:
    """The entry of every program forbids core dumps, which would hold keys."""
    process = started(
        "import resource\nfrom llm_monitoring.process.streams import run_program\n"
        "run_program(lambda: print(resource.getrlimit(resource.RLIMIT_CORE)))"
    )
    assert "(0, 0)\n" == process.communicate(timeout=120)[0]


@pytest.mark.parametrize("script", ["daily_llm_monitoring_cron.py", "weekly_model_check_cron.py"])
def test_process_one_hears_a_stop_before_its_imports(script: str) -> None:
    """The kernel drops a signal for process 1 that has no handler: a container's stop would leave the job running."""
    process = started(
        "import os, runpy, signal, sys, time\n"
        "number = os.getpid()\nos.getpid = lambda: 1\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'llm_monitoring.jobs':\n"
        "            os.kill(number, signal.SIGTERM)\n"
        "            time.sleep(60)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"runpy.run_path({str(ROOT / script)!r}, run_name='__main__')"
    )
    process.communicate(timeout=120)
    assert 128 + signal.SIGTERM == process.returncode


def test_a_handler_of_the_caller_stays() -> None:
    """What the surrounding program does with a stop is its own."""
    process = started(
        "import os, signal\nfrom llm_monitoring.process.signals import end_on_stop_as_process_one as first\n"
        "first()\nprint(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
        "os.getpid = lambda: 1\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nfirst()\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)"
    )
    assert "True\nTrue\n" == process.communicate(timeout=120)[0]
