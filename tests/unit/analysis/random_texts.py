"""Random answers made of what real ones are made of, whole and broken, and what must hold for each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from llm_monitoring.analysis import Analysis, Entity, Matcher
from llm_monitoring.analysis.text.markdown import Reader
from llm_monitoring.analysis.text.source import prepared
from llm_monitoring.analysis.text.thinking import without_thinking

PIECES = (
    "Acme", "**Acme**", "Acme's", "acme.com", "ACME", "Quipu", "[Quipu](https://quipu.com)", "E*TRADE", "snake_case",
    "Vakıfbank", "DİYARBAKIR", "麦", "华为", "华为Mate60", "삼성", "삼성은", "โตโยต้า", "カフェ", "ｱｸﾒ", "אקמה", "أكمي",
    "🥇", "🥈 ", "1️⃣", "🔟", "①", "#1 ", "2º ", "1st: ", "第1位：", "1) ", "1. ", "10. ", "a) ", "- ", "* ", "• ", "・",
    "\n", "\n\n", "  \n", "\t", "    ", "\u2028", "\u3000", "\u00a0", "\r\n", "\x0b",
    "**", "*", "__", "_", "~~", "`", "```\n", "~~~\n", "[", "]", "(", ")", "](", "![", "<", ">", "|", "|-|-|\n", "\\",
    "# ", "## ", "### 2. ", "> ", "---\n", "| a | b |\n|---|---|\n| Acme | 1 |\n", "|", "|\n",
    "https://acme.com", "http://a.b/(c", "https://xn--mller-kva.de/%C3%B3", "https://müller.de:443/?utm_source=x#a",
    "www.acme.com/x", "ana@acme.com", "(https://acme.com/a_(b))", "([a.com](https://a.com))", "[1](https://acme.com)",
    "[1]", "[2][3]", "[^1]", "[1]: https://acme.com\n", "【3†source】", "【", "】", "†", "[cite:1]", "\ue200cite\ue201",
    "<b>", "</b>", "<a>", "<a href='https://acme.com'>", "</a>", "<br>", "<sup>1</sup>", "<!--", "-->", "<script>",
    "</script>", "<div>\n", "</div>\n", "<think>", "</think>", "<think>\n", "\n</think>\n", "&amp;", "&#0;", "&lt;",
    "no tengo información sobre ", "I don't know ", "is not in the list", " no aparece", " y ", " and ", ", ", ": ",
    " - ", " – ", "?", "¿", ".", "!", "…", "’s", "s ", "@", "$", "%", "'", "«", "”", "a", "palabra ", "word", "1",
    "\u0301", "e\u0301", "\u0315\u0300", "\u200b", "\u200d", "\u200f", "\u202e", "\u00ad", "\ufeff", "\ufe0f", "\u20e3",
    "\x00", "\ud83d", "\U0001d400", "\U0001f469\u200d\U0001f4bb", "\U000e0041", "ﬁ", "½", "²", "ß", "ẞ", "İ", "ı", "ǆ",
)  # fmt: skip
BRAND = Entity("Acme", ("E*TRADE", "VakıfBank", "华为", "삼성"), ("acme.com", "müller.de"), ("Acme Green",))
RIVALS = (
    Entity("Quipu", domains=("quipu.com",)),
    Entity("snake_case"),
    Entity("麦", ("X",), case_sensitive=True),
    Entity("Diyarbakır", ("カフェ", "โตโยต้า", "C++", "*NSYNC")),
)
LANGUAGES = (None, "es", "de", "tr", "ko", "zh", "en", "da", "??")
CITATIONS = (
    (),
    ({"url": "https://acme.com/a", "title": "A", "domain": "acme.com", "cited": True},),
    ({"url": "https://redirect.test/x", "title": "Quipu.com", "domain": None, "cited": None}, {"url": 7}, None),
)
LONGEST = 24


def random_text(rng: random.Random) -> str:
    """One text."""
    return "".join(rng.choices(PIECES, k=rng.randint(1, LONGEST)))


def read_random_texts(seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """Read so many texts; every one of which something is wrong, with what."""
    rng = random.Random(seed)
    matcher = Matcher(BRAND, RIVALS)
    for _ in range(count):
        text, language, citations = random_text(rng), rng.choice(LANGUAGES), rng.choice(CITATIONS)
        try:
            wrong = list(problems(matcher, text, language, citations))
        except (ArithmeticError, AssertionError, LookupError, RecursionError, TypeError, ValueError) as exc:
            wrong = [repr(exc)]
        if wrong:
            yield text, wrong


def problems(matcher: Matcher, text: str, language: str | None, citations: tuple[object, ...]) -> Iterator[str]:
    """What is wrong with the analysis of one text."""
    analysis = matcher.analyse(text, citations, language)
    mentions = matcher.mentions(text, language)
    spans = [(mention.start, mention.end) for mention in mentions]
    visible = analysis.visible_text
    if any(not 0 <= start < end <= len(visible) for start, end in spans):
        yield "a mention lies outside the text"
    if any(before[1] > after[0] for before, after in pairwise(spans)):
        yield "two mentions overlap"
    if any(visible[start].isspace() or visible[end - 1].isspace() for start, end in spans):
        yield "a mention begins or ends in a space"
    yield from misplaced(matcher, text, visible)
    yield from uneven_counts(matcher, analysis, [mention.entity for mention in mentions])
    yield from uneven_places(analysis)
    if analysis != matcher.analyse(text, citations, language):
        yield "a second reading differs"


def misplaced(matcher: Matcher, text: str, visible: str) -> Iterator[str]:
    """Where a block goes beyond the visible text."""
    reader = Reader(without_thinking(prepared(text)), None, matcher.marked)
    reader.read()
    for prose in reader.proses:
        bounds = [
            prose.start,
            prose.end,
            *prose.lines,
            *(place for span in prose.strong for place in (span.start, span.end)),
        ]
        if any(not 0 <= bound <= len(visible) for bound in bounds) or prose.start > prose.end:
            yield "a block lies outside the text"


def uneven_counts(matcher: Matcher, analysis: Analysis, named: list[str]) -> Iterator[str]:
    """Where the figures of mentions contradict each other."""
    brand = matcher.entities[0].name
    counts = {name: named.count(name) for name in named if name != brand}
    if (analysis.mention_count, analysis.competitors_mentioned) != (named.count(brand), counts):
        yield "the counts differ from the mentions"
    if analysis.brand_mentioned != (analysis.mention_count > 0) or analysis.brand_mentioned != bool(
        analysis.mention_order
    ):
        yield "brand_mentioned contradicts the count or the order"
    if len(analysis.mention_contexts) != min(5, analysis.mention_count):
        yield "there is not one context a mention"
    if any(context not in analysis.visible_text for context in analysis.mention_contexts):
        yield "a context is no part of the text"


def uneven_places(analysis: Analysis) -> Iterator[str]:
    """Where the figures of rankings and sources contradict each other."""
    empty = [
        value is None for value in (analysis.position_in_list, analysis.total_items_in_list, analysis.ranking_kind)
    ]
    if any(empty) != all(empty):
        yield "position, total and kind are not null together"
    if analysis.position_in_list is not None and not analysis.brand_mentioned:
        yield "a brand that is not mentioned holds a position"
    if analysis.appears_in_numbered_list != (analysis.ranking_kind == "numbered"):
        yield "appears_in_numbered_list contradicts the kind"
    if len({(source["url"], source["kind"]) for source in analysis.sources}) != len(analysis.sources):
        yield "a page is there twice"
