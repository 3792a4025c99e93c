"""Sentences that deny knowing an entity, and sentences that only look so."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, analyse

QUIPU, HOLDED = Entity("Quipu"), Entity("Holded")


@pytest.mark.parametrize(
    "text",
    [
        "I couldn't find any information about Quipu.",
        "There is nothing on Quipu beyond its name.",
        "Quipu does not appear in the search results.",
        "No tengo datos sobre Quipu.",
        "Quipu no aparece en la lista.",
        "**Quipu**: sin información.",
        "Je n’ai trouvé aucune information sur Quipu.",
        "Quipu m'est inconnu.",
        "Zu Quipu liegen mir keine Informationen vor.",
        "Quipu kenne ich nicht.",
        "Non conosco Quipu.",
        "Quipu non compare nell'elenco.",
        "Não encontrei nada sobre a Quipu.",
        "Nunca ouvi falar da Quipu.",
    ],
)
def test_a_denied_entity_is_not_mentioned(text: str) -> None:
    """The model says that it does not know, cannot find or has no information about the entity."""
    assert 0 == analyse(text, QUIPU).mention_count


@pytest.mark.parametrize(
    "text",
    [
        "I have no information about Quipu's security audit.",
        "I have no complaints about Quipu.",
        "If Quipu does not appear in the list, reload.",
        "Users can't find Quipu in the App Store.",
        "Quipu no está incluido en el plan básico.",
        "No tengo información sobre los precios de Quipu.",
        "Je ne connais pas les tarifs de Quipu.",
        "Ich habe keine Informationen zu Quipu-Preisen.",
        "Non ho lamentele su Quipu.",
        "Não recomendo a Quipu.",
    ],
)
def test_in_doubt_it_is_a_mention(text: str) -> None:
    """Something else is missing than the entity itself."""
    assert 1 == analyse(text, QUIPU).mention_count


def test_only_the_object_of_the_denial_is_absent() -> None:
    """The others of the sentence are mentions, and so is the entity in the next sentence or in a heading."""
    text = "# Quipu\nNo tengo datos sobre Quipu, pero Holded es muy usado. Quipu existe."
    analysis = analyse(text, QUIPU, [HOLDED])
    assert 2 == analysis.mention_count
    assert {"Holded": 1} == analysis.competitors_mentioned


def test_joined_entities_are_denied_together() -> None:
    """A list of names is one object."""
    analysis = analyse("No tengo información sobre Quipu ni Holded.", QUIPU, [HOLDED])
    assert 0 == analysis.mention_count
    assert {} == analysis.competitors_mentioned


def test_an_absent_occurrence_holds_no_item_that_still_counts() -> None:
    """The item stays in the total."""
    text = "1. Quipu: no tengo información sobre Quipu.\n2. Holded: bueno.\n3. Sage: caro."
    assert analyse(text, QUIPU, [HOLDED]).position_in_list is None
    assert analyse(text, QUIPU).ranking_kind is None
    assert 2 == analyse(text, HOLDED, [QUIPU]).position_in_list
    assert 3 == analyse(text, HOLDED, [QUIPU]).total_items_in_list
