"""T14: mutants of our own code, each caught by the test named for it."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Note
from tests.faults.mutant import Mutant
from tests.faults.mutants import MUTANTS, ROOT, applied, hunt, main


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_t14_every_mutant_fits_the_code(mutant: Mutant) -> None:
    """Each edit still finds its place, changes it, and the test named for it is there."""
    texts = {edit.file: (ROOT / edit.file).read_text("utf-8") for edit in mutant.edits}
    for edit in mutant.edits:
        texts[edit.file] = applied(texts[edit.file], edit)
        assert edit.new in texts[edit.file]
    file, _, test = mutant.test.partition("::")
    assert f"def {test}" in (ROOT / file).read_text("utf-8")


def test_t14_an_unknown_mutant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name is no pass."""
    assert main(["check-than-act"]) == 2
    assert "choose from a-call-is-sent-again, alert-twice, " in capsys.readouterr().out


@pytest.mark.long
def test_t14_every_mutant_is_caught(note: Note) -> None:
    """A test that passes on the code as it is fails on each mutant."""
    assert hunt([]) == []
    note.add(mutants=len(MUTANTS))
