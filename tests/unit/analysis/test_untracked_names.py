"""The names that rankings list next to tracked ones: names, and nothing else that stands in lists."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, Matcher

MATCHER = Matcher(Entity("Quipu"), [Entity("Holded"), Entity("Sage", exclude=("Sage Green",))])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1. **Quipu**: fácil\n2. **Anfix**: barato\n3. **Holded**", ["Anfix"]),
        ("1. Quipu\n2. Contasimple (gratis)\n3. Billin – desde 9 €", ["Contasimple", "Billin"]),
        ("| Programa | Precio |\n|---|---|\n| Quipu | 9 € |\n| Zoho Invoice | 0 € |", ["Zoho Invoice"]),
        ("### Holded\nBien.\n### Odoo\nTambién.\n### Conclusión\nDepende.", ["Odoo"]),
        ("1. **Opción barata: Declarando**\n2. **Opción completa: Holded**", ["Declarando"]),
        ("1. **Quipu** 12,50 €\n2. **Anfix 9,90 €**\n3. **Sage**", ["Anfix"]),
    ],
    ids=["bold", "plain", "table", "headings", "categories", "prices"],
)
def test_what_stands_next_to_tracked_names(text: str, names: list[str]) -> None:
    """In each kind of ranking, without what describes it."""
    assert tuple(names) == MATCHER.untracked_names(text, "es")


@pytest.mark.parametrize(
    "text",
    [
        "Quipu y Anfix son buenos.",
        "1. Anfix\n2. Billin",
        "**Ventajas**\n\n- **Precio**: bueno\n- **Soporte**: Quipu responde\n- Facturas",
        "1. Regístrate en Quipu\n2. Sube tus facturas\n3. Invita a tu gestor",
        "### ¿Qué es Quipu?\nUn programa.\n### Precio\n9 €.\n### Soporte\nBueno.",
        "1. **Quipu**\n2. **Holded Pro**\n3. **Sage**",
        "",
    ],
    ids=["prose", "nothing tracked", "features", "steps", "review", "a product of a tracked one", "empty"],
)
def test_what_is_no_such_name(text: str) -> None:
    """Prose, lists without a tracked name, features, steps and sections of a review."""
    assert () == MATCHER.untracked_names(text, "es")


def test_a_name_is_given_once() -> None:
    """However often an answer lists it."""
    text = "1. Quipu\n2. Anfix\n\nOtra lista:\n\n1. Anfix\n2. Holded"
    assert ("Anfix",) == MATCHER.untracked_names(text, "es")
