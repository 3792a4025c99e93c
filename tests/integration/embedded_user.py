"""A process that uses the embedded server on argv[1], as user argv[2], until its standard input ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

from llm_monitoring.db import embedded, server_files


def main(data: Path, uid: int | None) -> None:
    account = None if uid is None else server_files.Account(uid, uid)
    programs = embedded.reachable_programs(data.parent, account)
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    with mock.patch.object(embedded, "installed_programs", return_value=programs):
        print(embedded.start(data), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
