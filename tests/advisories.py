"""The audit of what production installs: known vulnerabilities, from the first advisory source that answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = (
    "requirements.lock",
    "requirements-workers.lock",
    "requirements-web.lock",
    "requirements-google-legacy.txt",
)
SOURCES: Final = ("pypi", "osv")
CLEAN, VULNERABLE, UNANSWERED = 0, 1, 3

Report = Mapping[str, Any]
Ask = Callable[[str, str], Report | None]


def ask(source: str, requirements: str) -> Report | None:
    """What a source says of a file's pins; None where it does not answer for all of them."""
    complete = "--require-hashes" if requirements.endswith(".lock") else "--no-deps"  # a lock names every package
    command = ["-m", "pip_audit", "--requirement", requirements, "--disable-pip", complete, "--format", "json"]
    found = subprocess.run(
        [sys.executable, *command, "--vulnerability-service", source, "--progress-spinner", "off"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    try:
        report: Report = json.loads(found.stdout)
    except ValueError:
        return None
    return report if not any("skip_reason" in each for each in report["dependencies"]) else None


def vulnerabilities(report: Report) -> list[str]:
    pairs = ((each, found) for each in report["dependencies"] for found in each["vulns"])
    return [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version'}"
        for each, found in pairs
    ]


def audit(requirements: str, ask: Ask) -> int:
    """Say what is known of a file's pins and return the exit code."""
    for source in SOURCES:
        report = ask(source, requirements)
        if report is None:
            continue
        found = vulnerabilities(report)
        print(f"{requirements}: {len(report['dependencies'])} pins, {len(found)} known vulnerabilities ({source})")
        print("".join(f"  {line}\n" for line in found), end="")
        return VULNERABLE if found else CLEAN
    print(f"{requirements}: NOT AUDITED: no advisory source answers from here ({', '.join(SOURCES)})")
    return UNANSWERED


def main(files: Sequence[str] = REQUIREMENTS, ask: Ask = ask) -> int:
    """Audit every file: 1 where anything vulnerable is pinned, else 3 where something was not audited, else 0."""
    codes = [audit(requirements, ask) for requirements in files]
    return VULNERABLE if VULNERABLE in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
