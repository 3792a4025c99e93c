"""The benchmarks, by name: `python -m bench daily --tasks 2000 --latency-ms 500 --workers 10`."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = {
    "daily": "the whole run against the loopback provider",
    "workers": "the whole run on several machines, some of them killed",
    "analyse": "the analysis of one answer, and of hostile texts",
    "ledger": "reservations and settlements a second",
    "starts": "commands and the first call of a run, from the start of their process",
    "reanalysis": "20,000 stored answers analysed again: preview, run, stops, resumption",
    "report": "90 days of stored answers: the report, the exports, the figures",
    "thirty_days": "thirty simulated days: is a trend distinguished from noise?",
    "web": "the web service: figures cold and warm, fifty clients next to a daily run",
    "volume": "every statement on millions of stored answers, and the size of a row",
}


def main() -> int:
    """Run the benchmark named by the first argument; its last line of output is JSON."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        known = "\n".join(f"  {name:13}{what}" for name, what in NAMES.items())
        print(f"usage: python -m bench NAME [OPTION ...]\n\n{known}", file=sys.stderr)
        return 2
    module = import_module(f"bench.{sys.argv.pop(1)}")
    return int(module.main() or 0)


if __name__ == "__main__":
    sys.exit(main())
