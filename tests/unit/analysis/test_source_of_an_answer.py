"""How the source of an answer is made ready, and what its numbered references define."""

from __future__ import annotations

import time

import pytest

from llm_monitoring.analysis.text.references import References
from llm_monitoring.analysis.text.source import prepared


@pytest.mark.parametrize(
    ("source", "ready"),
    [
        ("• Holded\n• Quipu", "- Holded\n- Quipu"),
        ("  ◦ Quipu", "  - Quipu"),
        ("Holded • Quipu", "Holded • Quipu"),
        ("•Holded", "•Holded"),
        ("・A\n・B\n・C", "- A\n- B\n- C"),
        ("・A\n・B", "・A\n・B"),
        ("Mis dos:\n✅ A\n✅ B", "Mis dos:\n✅ A\n✅ B"),
        ("Mis tres:\n✅ A\n🚀 B\n❤️ C", "Mis tres:\n- ✅ A\n- 🚀 B\n- ❤️ C"),
        ("🥇 A\n🥈 B\n🥉 C", "🥇 A\n🥈 B\n🥉 C"),
        ("1️⃣ A\n2️⃣ B\n3️⃣ C", "1️⃣ A\n2️⃣ B\n3️⃣ C"),
        ("e\u0301", "é"),
    ],
)
def test_typed_bullets_become_those_of_markdown(source: str, ready: str) -> None:
    """A bullet that opens a line is a bullet; one inside a line, or glued to a word, is a character."""
    assert ready == prepared(source)


def test_the_first_definition_of_a_numbered_reference_is_kept() -> None:
    """As Markdown does, the first of two definitions counts, and a label without one gives nothing."""
    references = References("a [1][2]\n\n[1]: https://a.org/x 'A'\n[1]: https://b.org\n[2]: <https://c.org>\n")
    assert ["https://a.org/x"] == [link.url for link in references.first_of("1")]
    assert ["https://c.org"] == [link.url for link in references.first_of("2")]
    assert [] == list(references.first_of("3"))


def test_many_references_are_read_in_one_pass() -> None:
    """A long answer of marks and definitions costs time in proportion to its length."""
    source = "".join(f"[{n % 999}]: https://a.org/{n}\n" for n in range(20_000))
    references = References(source)
    began = time.process_time()
    found = [link for n in range(20_000) for link in references.first_of(str(n % 999))]
    assert 20_000 == len(found)
    assert time.process_time() - began < 1.0
