"""What of an answer is visible text."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis.text.markdown import read_markdown


@pytest.mark.parametrize(
    ("source", "visible"),
    [
        ("**Hol**ded", "Holded"),
        ("Hol<b>ded</b>", "Holded"),
        ("[Holded](https://holded.com)", "Holded"),
        ("Holded[1], Quipu[2][3]", "Holded, Quipu"),
        ("Holded【4†source】【公式】", "Holded【公式】"),
        ("Holded[1]Quipu", "Holded Quipu"),
        ("a [https://holded.com/x](https://holded.com/x) b", "a  b"),
        ("a ([deel.com](https://deel.com), [x.io](https://x.io)) b", "a  b"),
        ("a ([Deel](https://deel.com)) b", "a (Deel) b"),
        ("a <!-- Holded --> b", "a  b"),
        ("![Holded](holded.png) b", " b".strip()),
        ("y/o 24/7", "y/o 24/7"),
        ("**Holded（ホルデッド）**は", "Holded（ホルデッド）は"),
        ("AT&amp;T", "AT&T"),
        ("Holded[1](https://a.com/x)", "Holded"),
        ("Node.js/Express o Vue", "Node.js/Express o Vue"),
        ("holded.com/precios ya", "ya"),
        ("```\nHolded\n```", "Holded"),
        ("<script>Holded</script>\n\nb", "b"),
    ],
)
def test_visible_text_is_what_a_reader_sees(source: str, visible: str) -> None:
    """Labels, code and emphasised words are text; targets, URLs, tags, images and citation marks are not."""
    assert visible == read_markdown(source).text.strip()
