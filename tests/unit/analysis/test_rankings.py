"""Positions in lists, tables, headings and bold paragraphs."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, analyse

HOLDED, QUIPU, SAGE = Entity("Holded"), Entity("Quipu"), Entity("Sage")
NOTHING = (None, None, None)


def place(text: str) -> tuple[int | None, int | None, str | None]:
    """Position, total and kind for Holded."""
    analysis = analyse(text, HOLDED, [QUIPU, SAGE])
    assert analysis.appears_in_numbered_list == (analysis.ranking_kind == "numbered")
    return analysis.position_in_list, analysis.total_items_in_list, analysis.ranking_kind


@pytest.mark.parametrize(
    "text",
    [
        "1. Quipu\n2. Holded\n3. Sage",
        "1. Quipu\n1. Holded\n1. Sage",
        "1) Quipu\n2) Holded\n3) Sage",
        "1 - Quipu\n\n2 - Holded\n\n3 - Sage",
        "1º Quipu\n\n2º Holded\n\n3º Sage",
        "1.ª Quipu\n\n2.ª Holded\n\n3.ª Sage",
        "#1 Quipu\n\n#2 Holded\n\n#3 Sage",
        "1️⃣ Quipu\n2️⃣ Holded\n3️⃣ Sage",
        "１．Quipu\n２．Holded\n３．Sage",
        "N°1 : Quipu\nN°2 : Holded\nN°3 : Sage",
        "🥇: Quipu\n\n🥈: **Holded**\n\n🥉: Sage",
        "### Plek 1: Quipu\na\n### Plek 2: Holded\nb\n### Plek 3: Sage\nc",
        "١. Quipu\n٢. Holded\n٣. Sage",
        "๑) Quipu\n๒) Holded\n๓) Sage",
        "1- Quipu\n2- Holded\n3- Sage",
        "1/ Quipu\n2/ Holded\n3/ Sage",
        "（1）Quipu\n（2）Holded\n（3）Sage",
        "【1位】Quipu\na\n\n【2位】Holded\nb\n\n【3位】Sage\nc",
        "一、Quipu\n二、Holded\n三、Sage",
        "### 第一名：Quipu\na\n### 第二名：Holded\nb\n### 第三名：Sage\nc",
        "| 排名 | 品牌 |\n|---|---|\n| 第1名 | Quipu |\n| 第2名 | Holded |\n| 第3名 | Sage |",
        "🥇 Quipu\n\n🥈 Holded\n\n🥉 Sage",
        "- 🥇 Quipu\n- 🥈 **Holded**\n- 🥉 Sage",
        "**1.** Quipu\n\n**2.** Holded\n\n**3.** Sage",
        "**1. Quipu**\n\n**2. Holded**\n\n**3. Sage**",
        "### 1. Quipu\na\n### 2. Holded\nb\n### 3. Sage\nc\n### Conclusión\nd",
        "1. Quipu\n\nUna pausa.\n\n2. Holded\n\n- detalle\n\n3. Sage",
        "| # | Programa |\n|---|---|\n| 1 | Quipu |\n| 2 | Holded |\n| 3 | Sage |",
        "| 順位 | 名 |\n|---|---|\n| 1位 | Quipu |\n| 2位 | Holded |\n| 3位 | Sage |",
        "3. Sage\n2. Holded\n1. Quipu",
        "🥇 Quipu\n\n2. Holded\n3. Sage",
    ],
)
def test_numbers_in_any_dress_are_a_numbered_ranking(text: str) -> None:
    """The number is the one that a reader sees, the total counts every item."""
    assert (2, 3, "numbered") == place(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("| Programa | Precio |\n|---|---|\n| Quipu | 1 |\n| Holded | 2 |\n| Billin | 3 |", "table"),
        ("## Quipu\na\n## Holded\nb\n## Billin\nc\n## Nuestro consejo\nd", "headings"),
        ("### Best price: Quipu\na\n### Best support: Holded\nb\n### Best for devs: Bonsai\nc", "headings"),
        ("- Quipu: a\n- Holded: b\n  - Sage\n- Billin: c", "bulleted"),
        ("**Quipu** a\n\n**Holded** b\n\n- x\n\n**Billin** c\n\n**Conclusión**: d", "bold"),
    ],
)
def test_the_other_kinds_count_places(text: str, kind: str) -> None:
    """Where no number is seen, the place counts every item, tracked or not."""
    assert (2, 3, kind) == place(text)


@pytest.mark.parametrize(
    "text",
    [
        "1. Regístrate en Holded\n2. Crea tu empresa",
        "1. **Quipu**: más barato que Holded\n2. Sage",
        "- **Lo más barato:** Holded\n- **Lo más fácil:** Quipu",
        "Compara: 1) Holded, 2) Quipu y 3) Sage.",
        "## What is Holded?\na\n## Pros\nb\n## Cons\nc",
        "| | Holded | Quipu |\n|---|---|---|\n| Precio | 1 | 2 |\n| Soporte | 3 | 4 |",
        "- Holded factura.\n- Holded cobra.",
        "1. Holded",
        "## Holded?\na\n## Quipu?\nb",
        "### 2. Quipu – la alternativa a Holded\na\n### 3. Sage\nb",
    ],
)
def test_no_position_is_made_up(text: str) -> None:
    """Steps, labels, run-in lists, nested items, reviews and headers rank nobody."""
    assert NOTHING == place(text)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("1. Sage\n2. Quipu y Holded\n3. X", 2),
        ("1. Sage\n2. **Quipu** / **Holded**\n3. X", 2),
        ("1. Sage\n2. **Quipu, Billin y Holded**: x\n3. X", 2),
        ("1. El Holded\n2. Sage", 1),
        ("1. **Best for sales: Holded**\n2. Sage", 1),
        ("10. Sage\n9. Holded\n8. X", 9),
        ("1. Sage\n\nTexto\n\n1. Holded\n2. Quipu", 1),
        ("- Quipu\n- Sage\n\n1. Sage\n2. Holded", 2),
    ],
)
def test_a_subject_is_held_by_those_who_are_joined_in_it(text: str, position: int) -> None:
    """Joined names hold an item together, and the first ranking that the brand holds counts."""
    assert position == place(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "## A\n- Quipu\n- Sage\n- X\n\n## B\n- Quipu\n- Holded",
        "1. Contabilidad\n   - Quipu\n   - Holded\n2. Nóminas\n   - Sage",
    ],
)
def test_bullets_under_categories_are_a_ranking_each(text: str) -> None:
    """The total is that of the category."""
    assert (2, 2, "bulleted") == place(text)


@pytest.mark.parametrize(
    "text",
    [
        "### 🥇 Best: Quipu\na\n### 💰 Cheap: Sage\nb\n### 🛠️ Strong: Holded\nc",
        "### Best: Quipu\na\n### 🥈 Runner-up: Sage\nb\n### Strong: Holded\nc",
    ],
)
def test_one_medal_among_headings_is_decoration(text: str) -> None:
    """A number or medal that no other heading continues takes no heading out of the ranking."""
    assert (3, 3, "headings") == place(text)


def test_one_medal_among_bold_paragraphs_is_decoration() -> None:
    """The same for paragraphs that open with a bold name."""
    assert (3, 3, "bold") == place("**🥇 Best: Quipu**\na\n\n**💰 Cheap: Sage**\nb\n\n**🛠️ Strong: Holded**\nc")
