"""Which spellings of a name are the name: case, spaces, marks, scripts, endings."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest

from llm_monitoring.analysis import Entity, Matcher, analyse
from llm_monitoring.analysis.text.folding import HALFWIDTH_KANA, MOST_MARKS, compose, normalise


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("VakıfBank", "VAKIFBANK … Vakıfbank, vakifbank", 3),
        ("Diyarbakır", "DİYARBAKIR ve Diyarbakır", 2),
        ("Işbank", "IŞBANK, ışbank, İŞBANK", 3),
        (
            "Conta Azul",
            "Conta\tAzul, Conta\u2028Azul, Conta\u2003Azul, Conta\u00a0Azul, Conta\u3000Azul, Conta\u202fAzul",
            6,
        ),
        ("Conta Azul", "<p>Conta\tAzul</p>\n\n```\nConta\tAzul\n```\n\n`Conta\tAzul`", 3),
        ("Conta Azul", "Conta\u00adAzul, Con\u00adta Azul, Conta\u2011Azul, Conta-Azul", 4),
        ("Coca-Cola", "Coca‑Cola, Coca Cola, CocaCola", 3),
        ("Smørrebrød", "Smorrebrod", 1),
        ("Łódź", "Lodz", 1),
        ("Weiß", "Weiss, WEISS, weiß", 3),
        ("パナ", "ハナ、バナ", 0),
        ("مُحَمَّد", "محمد", 0),
        ("Ζάρα", "ΖΑΡΑ", 1),
        ("Ёлка", "Елка", 1),
    ],
)
def test_spellings(name: str, text: str, count: int) -> None:
    """Case, spaces and hyphens of every kind, accents of Latin, Greek and Cyrillic only."""
    assert count == analyse(text, Entity(name)).mention_count


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("华为", "华为Mate60和华为P70，我的华为。", 3),
        ("华为", "华为_x", 0),
        ("Kordio", "使用Kordio的人", 1),
        ("カフェ", "カフェProとスタカフェ", 2),
        ("โตโยต้า", "รถโตโยต้าYaris", 1),
        ("삼성", "삼성은 삼성Galaxy 삼성에서 새삼성 삼성전자 삼성의", 4),
        ("Kordio", "Kordio는 Kordio로 Kordio폰 Kordio에서는", 3),
        ("Kordio", "Kordio보다도 Kordio까지는 Kordio도로 Kordio에서는데", 2),
        ("LG전자", "LG전자는 좋다", 1),
    ],
)
def test_scripts(name: str, text: str, count: int) -> None:
    """Where a script writes no spaces another script is an edge; one or two particles may follow in Korean."""
    assert count == analyse(text, Entity(name)).mention_count


@pytest.mark.parametrize("language", ["de", "nl", "da", "sv", "no", "nb", "nn", "de-AT"])
def test_genitive(language: str) -> None:
    """These languages write the genitive without an apostrophe."""
    assert 2 == analyse("Kordios Preise, KORDIOS.", Entity("Kordio"), language=language).mention_count


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("Kordio", "Kordios Preise", None),
        ("Kordio", "Kordios", "en"),
        ("Kordio", "Kordiose", "de"),
        ("Aldi", "Aldiss", "de"),
        ("Kor", "Kors Preise", "de"),
        ("Velmax", "Velmaxs Preise", "de"),
        ("Kordis", "Kordiss Preise", "de"),
        ("Weiß", "Weißs", "de"),
    ],
)
def test_no_genitive(name: str, text: str, language: str | None) -> None:
    """Another language, a short name, a name that ends in a hissing sound, or another ending."""
    assert 0 == analyse(text, Entity(name), language=language).mention_count


def test_a_name_that_is_written_with_the_ending_wins() -> None:
    """The longest match wins over the genitive of a shorter name."""
    analysis = analyse("Kordios Preise", Entity("Kordio"), [Entity("Kordios")], language="de")
    assert 0 == analysis.mention_count
    assert {"Kordios": 1} == analysis.competitors_mentioned


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("E*TRADE", "E*TRADE or E*TRADE, **E*TRADE**, E\\*TRADE and [E*TRADE](https://a.com)", 5),
        ("snake_case", "_snake_case_ and snake_case, my_snake_case", 2),
        ("*NSYNC", "*NSYNC met *NSYNC; \\*NSYNC", 3),
        ("Holded", "**Hol**ded, *Hol*ded, Hol**ded**, Hol<b>ded</b>, ~~Hol~~ded", 5),
        ("Acme", "* Acme\n* Acme", 2),
    ],
)
def test_marks_of_markdown(name: str, text: str, count: int) -> None:
    """A name with a mark is found as written, and emphasis splits no word."""
    assert count == analyse(text, Entity(name)).mention_count


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("<think>Acme</think>Hello", "Hello"),
        ("<think>\n1. Acme\n\n```python\n</think>\n\nHello", "Hello"),
        ("Hello\n\n<THINK>\nAcme", "Hello"),
        ("one<think>x</think>two", "one two"),
        ("a <think>x</think> b <think>y</think> c <think>z", "a  b  c"),
        ("Write `<think>` and `</think>`.", "Write <think> and </think>."),
        ("```\n<think>\nAcme\n```\n<think>no</think>yes", "<think>\nAcme\nyes"),
        ("\\<think>Acme", "<think>Acme"),
        ("<thinking>x</thinking>y", "y"),
        ("<think>x</think>" * 40 + "y", "y"),
    ],
)
def test_thinking_is_no_text(text: str, visible: str) -> None:
    """Closed or not, in any case of letters, but for a tag inside code."""
    assert visible == analyse(text, Entity("Acme")).visible_text.strip()


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("I should list Acme.\n</think>\n\nHello", "Hello"),
        ("1. Acme\n2. Other\n</think>\n\n1. Hello", "Hello"),
        ("Provide the answer briefly.</think>Hello", "Hello"),
        ("Acme. </think>\nHello", "Hello"),
        ("</think>Hello", "Hello"),
        ("</THINKING>\nHello", "Hello"),
        ("Acme\n</think>\nAcme again\n</think>\nHello", "Hello"),
        ("Acme\n</think>\n<think>Acme</think>Hello", "Hello"),
        ("Acme\n</think>\nHello <think>Acme", "Hello"),
        ("Acme\n</think>", ""),
    ],
)
def test_thinking_without_its_opening_tag_is_no_text(text: str, visible: str) -> None:
    """Some models leave out the tag that opens their thinking: all before the closing one is no text."""
    assert visible == analyse(text, Entity("Acme")).visible_text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Acme closes it with `</think>`\nHello",
        "Acme closes it with `</think>`.",
        "Acme\n\n```html\nx\n</think>\n```\nHello",
        "Acme writes the </think> tag itself.",
        'Acme writes "</think>" itself.',
        "Acme writes (</think>) itself.",
        "Acme writes \\</think>\nHello",
        "Acme &lt;/think&gt;\nHello",
        "Acme</thinker>\nHello",
        "Acme, then <think>a</think>\nHello",
    ],
)
def test_a_closing_tag_that_is_spoken_of_hides_nothing(text: str) -> None:
    """In code, in quotation marks, between words or escaped, a tag is text like any other."""
    assert analyse(text, Entity("Acme")).brand_mentioned


def test_one_character_names() -> None:
    """A name of one character is found with its case, or in a script that has none."""
    x = Entity("X", case_sensitive=True)
    assert 2 == analyse("X, x and X's", x).mention_count
    assert 1 == analyse("麦当劳", Entity("麦")).mention_count


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_marks_are_composed_in_linear_time(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    """No run of combining marks is longer than thirty when it is put in order, and nothing else is changed."""
    run = 0
    longest = 0
    for char in normalise(form, "1" + "\u0315\u0300" * 5_000):
        run = run + 1 if unicodedata.combining(char) else 0
        longest = max(longest, run)
    assert MOST_MARKS == longest


def test_halfwidth_kana_is_looked_at_once() -> None:
    """A run is taken whole, with or without a voicing mark, so that no letter is read again for each one before it."""
    assert ["ｱ" * 9, "ｶﾞｶ"] == HALFWIDTH_KANA.findall("ｱ" * 9 + "、ｶﾞｶ")
    assert "ｱ、ガカ" == compose("ｱ、ｶﾞｶ")


def test_a_prompt_is_read_in_its_language() -> None:
    """A prompt that names the brand in the genitive names it, in a language that writes it so."""
    matcher = Matcher(Entity("Kordio"))
    assert [True, False] == [matcher.names_brand("Was kosten Kordios Tarife?", code) for code in ("de", "es")]


def test_honest_marks_are_composed_as_before() -> None:
    """A text without such runs comes out in canonical form."""
    text = "Müller, e\u0301, 🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸🇪🇸, 가"
    assert unicodedata.normalize("NFC", text) == compose(text)


def test_a_prompt_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it names the brand is asked again with every answer to it."""
    matcher = Matcher(Entity("Acme"))
    first = matcher.names_brand("What is Acme?")
    monkeypatch.setattr("llm_monitoring.analysis.answer.read_markdown", lambda *_: pytest.fail("read again"))
    assert first is True
    assert matcher.names_brand("What is Acme?") is True


def test_a_prompt_may_hold_half_a_character() -> None:
    """A prompt with a lone surrogate is read as any other."""
    matcher = Matcher(Entity("Acme"))
    prompts = ["Acme\ud83d", "Acme", "Acm\ud83d"]
    assert [True, True, False] == [matcher.names_brand(prompt) for prompt in prompts]


@pytest.mark.parametrize(
    ("entity", "letters"),
    [
        (Entity("X"), ("X",)),
        (Entity("X", case_sensitive=True), ()),
        (Entity("麦"), ()),
        (Entity("א"), ()),
        (Entity("7"), ("7",)),
        (Entity("Acme", ("é", "삼")), ("é",)),
        (Entity("ＡＢ"), ()),
    ],
)
def test_single_letters(entity: Entity, letters: tuple[str, ...]) -> None:
    """One letter names nothing by itself, but in its own case or in a script without case."""
    assert letters == entity.single_letters
