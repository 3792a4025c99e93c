"""Letters and Roman numerals that number the items of a list."""

from __future__ import annotations

import re
from string import ascii_lowercase

ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split()
ALPHABETS = (
    ROMAN,
    [*ascii_lowercase],
    [*"ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻ"],
    [*"абвгдежзиклмнопрст"],
    [*"αβγδεζηθικ"],
    [*"אבגדהוזחטי"],
    [*"أبجدهوزحطي"],
    [*"가나다라마바사아자차카타파하"],
)
LETTERED = re.compile(
    r"\(?(?P<letter>[IVX]{1,5}|[ivx]{1,5}|[A-Za-zА-Яа-яα-ωΑ-Ωא-יأبجدهوزحطيⅠ-Ⅻⅰ-ⅻ가나다라마바사아자차카타파하])(?:[.)）]|(?<=[א-ي])\s?[-–])(?=\s)"
)
PLACES: dict[str, set[tuple[int, int]]] = {}
for alphabet, letters in enumerate(ALPHABETS):
    for place, letter in enumerate(letters, 1):
        PLACES.setdefault(letter, set()).add((alphabet, place))


def places_of(letter: str) -> set[tuple[int, int]]:
    """The alphabets that a letter is of, each with its place there: `i` is a Roman one and a ninth letter."""
    return PLACES.get(letter.lower(), set())
