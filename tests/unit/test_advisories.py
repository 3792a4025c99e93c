"""The audit of the dependencies: what its exit code says."""

from __future__ import annotations

import pytest

from tests.advisories import Report, main

CLEAN: Report = {"dependencies": [{"name": "click", "version": "8.5.1", "vulns": []}]}
BAD: Report = {
    "dependencies": [{"name": "click", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}]
}


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ({"pypi": CLEAN}, 0, "1 pins, 0 known vulnerabilities (pypi)"),
        ({"pypi": None, "osv": CLEAN}, 0, "0 known vulnerabilities (osv)"),
        ({"pypi": BAD}, 1, "click 1.0: PYSEC-1, mended in 1.1"),
        ({}, 3, "NOT AUDITED: no advisory source answers from here (pypi, osv)"),
    ],
)
def test_the_exit_code_tells_clean_vulnerable_and_not_audited_apart(
    capsys: pytest.CaptureFixture[str], answers: dict[str, Report | None], code: int, said: str
) -> None:
    """An audit that did not take place is no pass, and is reported in one line."""
    assert main(["requirements.txt"], lambda source, _: answers.get(source)) == code
    assert said in capsys.readouterr().out


def test_one_vulnerable_file_outweighs_one_that_was_not_audited() -> None:
    """A vulnerable file decides the exit code, also if another file was not audited."""
    answers = {"a.txt": BAD, "b.txt": None}
    assert main(["a.txt", "b.txt"], lambda _, requirements: answers[requirements]) == 1
