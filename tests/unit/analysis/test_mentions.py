"""Which words of an answer name an entity."""

from __future__ import annotations

import pytest

from llm_monitoring.analysis import Entity, Matcher, analyse


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("Holded", "holded, HOLDED y Hólded", 3),
        ("Holded", "Ｈｏｌｄｅｄ y Hol\u200bded y Hol\u00added", 3),
        ("Société Générale", "societe generale", 1),
        ("Weiß", "WEISS und Weiss", 2),
        ("Łódź", "Lodz", 1),
        ("Coca-Cola", "Coca Cola, CocaCola, Coca\u2011Cola, coca\u00a0cola", 4),
        ("Salesforce", "sales force", 0),
        ("Bitrix24", "Bitrix-24", 0),
        ("McDonald's", "McDonalds y McDonald’s", 2),
        ("ガスト", "カスト", 0),
        ("ガスト", "ｶﾞｽﾄ", 1),
        ("Box", "toolbox, Box_1, box2, BOX.", 1),
        ("Acme", "acme_cloud", 0),
        ("Holded", "Holded-Quipu", 1),
        ("Holded", "Holded's y Holded’s", 2),
        ("Trello", "Trellos", 0),
        ("C++", "C++, C++17 y C", 1),
        ("Yahoo!", "Yahoo! y Yahoo", 1),
        ("Holded", "我推荐Holded和楽天", 1),
        ("楽天", "私は楽天が好き", 1),
        ("Box", "【Box†source】 y Box™", 1),
        ("Holded", "@holded #Holded", 2),
        ("Node.js", "Node.js-Entwickler y node.js.", 2),
        ("Holded", "①Holded²", 1),
    ],
)
def test_a_name_matches_as_the_policy_says(name: str, text: str, count: int) -> None:
    """Case, accents, forms and separators are ignored; edges and unsplit names are not."""
    assert count == analyse(text, Entity(name)).mention_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("visita holded.com", 1),
        ("visita app.holded.com.", 1),
        ("notholded.com y holded.com.mx", 0),
        ("holded.com-Automationen", 1),
        ("https://holded.com y holded.com/precios y info@holded.com", 0),
        ("Holded.Es la mejor", 1),
        ("1.Holded", 1),
        ("holded.news", 0),
    ],
)
def test_a_domain_counts_only_as_declared(text: str, count: int) -> None:
    """A bare domain is a mention when it is the entity's own or a subdomain; a URL is no text."""
    assert count == analyse(text, Entity("Holded", domains=("https://www.holded.com/es",))).mention_count


def test_case_sensitive_names_keep_case_and_nothing_else() -> None:
    """The case must be that of the name; accents and separators stay free."""
    assert 3 == analyse("Go to GO, go, Gó and Go.", Entity("Go", case_sensitive=True)).mention_count


def test_the_longest_match_wins_over_all_entities_and_exclusions() -> None:
    """A longer name or exclude phrase takes the words away from a shorter name."""
    sage = Entity("Sage", exclude=("sage green",))
    analysis = analyse("Sage Intacct, Sage-Green paint, Sage", sage, [Entity("Sage Intacct")])
    assert 1 == analysis.mention_count
    assert {"Sage Intacct": 1} == analysis.competitors_mentioned


def test_exclude_phrases_match_with_any_separator() -> None:
    """Exclude phrases match as names do."""
    assert 0 == analyse("out of the box", Entity("Box", exclude=("out-of-the-box",))).mention_count


def test_mention_order_is_by_first_occurrence() -> None:
    """The brand's place among the entities mentioned; none when it is not."""
    quipu, holded = Entity("Quipu"), Entity("Holded")
    orders = [analyse(text, holded, [quipu]).mention_order for text in ("Quipu, Holded", "Holded, Quipu", "Quipu")]
    assert [2, 1, None] == orders


def test_contexts_are_cut_at_word_edges() -> None:
    """At most five pieces, 150 characters to each side, no broken word."""
    analysis = analyse("palabra " * 60 + "Holded " * 7 + "palabra " * 60, Entity("Holded"))
    first = analysis.mention_contexts[0]
    assert 5 == len(analysis.mention_contexts)
    assert {"palabra", "Holded"} == set(first.split())
    assert len(first) <= 2 * 150 + len("Holded")


def test_mentions_point_into_the_visible_text() -> None:
    """Positions are those of the visible text, through folding that changes lengths."""
    matcher = Matcher(Entity("Weiß"), [Entity("Holded")])
    text = "… ﬁn **We\u00adiss** \u200b[Hol*ded*](https://a.b) "
    visible = matcher.analyse(text).visible_text
    found = [visible[mention.start : mention.end] for mention in matcher.mentions(text)]
    assert ["We\u00adiss", "Holded"] == found


def test_a_prompt_names_the_brand_even_in_a_denial() -> None:
    """A branded prompt is one that holds the name, whatever it says of it."""
    matcher = Matcher(Entity("Holded"), [Entity("Holded Pro")])
    prompts = ("¿Qué es Holded?", "No conozco Holded", "¿Holded Pro?", "toolbox")
    assert [True, True, False, False] == [matcher.names_brand(prompt) for prompt in prompts]


@pytest.mark.parametrize("text", [None, "", "   "])
def test_no_text_is_an_analysis_of_nothing(text: str | None) -> None:
    """Nothing is mentioned and nothing is ranked."""
    analysis = analyse(text, Entity("Holded"))
    assert analysis.brand_mentioned is False
    assert 0 == analysis.mention_count
    assert () == analysis.mention_contexts
    assert analysis.position_in_list is None


@pytest.mark.parametrize("fields", [{"name": " "}, {"name": "A", "aliases": "b"}, {"name": "A", "domains": [1]}])
def test_bad_entities_are_refused(fields: dict[str, object]) -> None:
    """An empty name, or a list that is none, is a ValueError."""
    with pytest.raises(ValueError, match=r"entity|list|text"):
        Entity(**fields)  # type: ignore[arg-type]
