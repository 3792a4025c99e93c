"""What is wrong with a value: a code with its facts, for texts of pages, and the sentence of the command line."""

from __future__ import annotations

from dataclasses import dataclass

from llm_monitoring.errors import Invalid


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """Why a value cannot be taken, and what to write instead; `facts` are what texts of the code name."""

    code: str
    sentence: str
    facts: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return self.sentence

    def invalid(self, field: str, prefix: str = "") -> Invalid:
        """The error of a field with this value."""
        return Invalid(field, f"{prefix}{self}", code=self.code, **dict(self.facts))


def value_problem(code: str, sentence: str, **facts: object) -> ValueProblem:
    return ValueProblem(code, sentence, tuple(facts.items()))
