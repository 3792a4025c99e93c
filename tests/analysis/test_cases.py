"""The labelled answers of `cases/*.yaml`, each field of which the analysis must get right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_monitoring.analysis import Analysis, Entity, analyse

CASES = Path(__file__).parent / "cases"
FILES = sorted(path.name for path in CASES.glob("*.yaml"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: a seventh of the time


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled answer."""

    id: str
    rule: str
    file: str
    fields: dict[str, Any]
    expect: dict[str, Any]

    def analysed(self) -> Analysis:
        """What the analysis makes of it."""
        return analyse(
            self.fields["text"],
            entity(self.fields["brand"]),
            [entity(competitor) for competitor in self.fields.get("competitors") or ()],
            self.fields.get("citations") or (),
            self.fields.get("language"),
        )


def entity(fields: Mapping[str, Any]) -> Entity:
    """An entity as a case writes it."""
    return Entity(**{name: value for name, value in fields.items() if value is not None})


@cache
def cases_of(file: str) -> list[Case]:
    """Every case of a file."""
    rows = yaml.load((CASES / file).read_text(encoding="utf-8"), Loader=LOADER) or ()
    return [Case(str(row["id"]), str(row.get("rule", "")), file, row, row["expect"]) for row in rows]


def all_cases() -> list[Case]:
    return [case for file in FILES for case in cases_of(file)]


def comparable(expected: Any, actual: Any) -> Any:
    """The actual value in the shape of the expected one: sources with the keys that the case gives."""
    if isinstance(expected, list) and isinstance(actual, tuple):
        if len(expected) == len(actual) and all(isinstance(row, dict) for row in expected):
            return [{key: row.get(key) for key in wanted} for wanted, row in zip(expected, actual, strict=True)]
        return list(actual)
    return actual


@cache
def misses_of(file: str) -> dict[str, dict[str, tuple[Any, Any]]]:
    """What came out wrong of each case of a file."""
    return {case.id: misses(case) for case in cases_of(file)}


def misses(case: Case) -> dict[str, tuple[Any, Any]]:
    """The fields that came out wrong, each with what was expected and what came."""
    analysis = case.analysed()
    found = {name: comparable(wanted, getattr(analysis, name)) for name, wanted in case.expect.items()}
    return {name: (wanted, found[name]) for name, wanted in case.expect.items() if found[name] != wanted}


@pytest.mark.parametrize("file", FILES)
def test_every_labelled_field_comes_out_as_labelled(file: str) -> None:
    """The fields of a labelled answer are those that a careful reader gave it; a failure names each answer by its id.

    One test a file: a test for each of some thousand answers would cost more than reading them does.
    """
    assert {} == {name: fields for name, fields in misses_of(file).items() if fields}


def test_case_ids_are_unique() -> None:
    """No two cases share an id, so that a report names one of them."""
    repeated = [name for name, count in Counter(case.id for case in all_cases()).items() if count > 1]
    assert repeated == []


def accuracy_table(cases: Sequence[Case]) -> list[str]:
    """One line a field: right, labelled, per cent."""
    labelled: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for case in cases:
        labelled.update(case.expect.keys())
        wrong.update(misses_of(case.file)[case.id].keys())
    lines = [f"{'field':<26}{'right':>7}{'of':>7}{'%':>8}"]
    for name, total in sorted(labelled.items()):
        right = total - wrong[name]
        lines.append(f"{name:<26}{right:>7}{total:>7}{100 * right / total:>8.2f}")
    return lines


def test_accuracy_per_field_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """The accuracy of every field is printed, and there is something to report."""
    lines = accuracy_table(all_cases())
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert len(lines) > 1
