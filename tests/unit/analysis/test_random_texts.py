"""Reading never fails and never contradicts itself, whatever the text; the long form is run by name."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from llm_monitoring.analysis import Matcher
from tests.unit.analysis.random_texts import BRAND, RIVALS, problems, read_random_texts

SHORT_FORM = 1_500
LONG_FORM = 300_000
MATCHER = Matcher(BRAND, RIVALS)


def test_random_texts_are_read() -> None:
    """No exception, no place outside the text, figures that agree, and the same again at a second reading."""
    assert [] == list(islice(read_random_texts(20261128, SHORT_FORM), 3))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_random_texts_are_read() -> None:
    """The same over many more texts, different ones each time; the seed is in the name of the failing assertion."""
    seed = random.SystemRandom().randrange(2**32)
    assert [] == list(islice(read_random_texts(seed, LONG_FORM), 3)), seed


@pytest.mark.parametrize(
    "text",
    [
        "Acme 🥇 https://acme.com", "Más de Acme en:\n2. https://acme.com", "Acme\n\n#2 https://acme.com",
        "Acme\n\n2º https://acme.com", "Acme\n\n## 2. https://acme.com", "Acme\n\n2. [1]", "Acme\n\n2. 【3†source】",
        "Acme [la guía <a>](https://acme.com)", "[<b>Acme](https://acme.com)", "**[<b>x** Acme](https://acme.com)",
        "Acme (\n\n[a.com](https://a.com))", "x [\n1](https://acme.com) Acme",
    ],
)  # fmt: skip
def test_a_text_that_ends_in_what_is_no_text_is_read(text: str) -> None:
    """Numbers and medals before an address at the end, and tags that are not closed inside a link's label."""
    assert [] == list(problems(MATCHER, text, None, ()))
