"""Whether an item names an option: by its label, by a sentence that the name opens, or not at all."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from llm_monitoring.analysis.rankings.phrases import (
    ARTICLES,
    CATEGORY,
    CLOSING_VERBS,
    COMPARISON,
    INSTRUCTION,
    NO_OPTION,
    NO_OPTION_WHOLE,
    PARTICLE,
    PREPOSITION_END,
    SECTION_LABEL,
    SECTION_OF,
    SECTION_REST,
    VERSUS,
)
from llm_monitoring.analysis.text.folding import QUOTES, fold
from llm_monitoring.analysis.text.scripts import UNSPACED

LABEL_LENGTH = 120
QUESTION = re.compile("[?？¿؟]")
PARTS = re.compile(r"\s*(?:[:：–—(（|]|\s-\s)\s*")
SEPARATOR = re.compile(r"[:：–—(（|]|\s-\s")
# Which mark opens and which one closes depends on the language: »Holded« and «Holded», ”Holded” and “Holded”.
QUOTE = f"[{QUOTES}'‘’]"
ARTICLE = re.compile(rf"(?:{ARTICLES})?\s*{QUOTE}?\s*[@#]?", re.IGNORECASE)
OPENED_QUOTE = re.compile(rf"{QUOTE}\s*$")
CLOSED_QUOTE = re.compile(rf"\s?{QUOTE}(?!\w)")
APOSTROPHE = re.compile(r"['’`´](?:s\b|(?=\s))")
SUBJECT_PARTICLE = re.compile("[はがも]|은|는|이(?!\\w)|가(?!\\w)")
# Letters without case tell no name from a sentence; in Japanese and Korean its particles and endings do. In a name they
# stand among hiragana ("ほっともっと", "魚がし日本一"), or in its first word and at its end without both.
UNCASED_SENTENCE = re.compile(
    r"(?<=[\u30a1-\u30ff\u4e00-\u9fffA-Za-z0-9])[はがをに](?=[\u30a1-\u30ff\u4e00-\u9fffA-Za-z0-9]|おすすめ|お勧め|ぴったり)"
    r"|[가-힣][은는을를]\s+\S|[가-힣]\s+\S{0,20}(?:음|함|됨|움|름|니다|어요|아요)\.?$"
)
UNSPACED_START = re.compile(f"[{UNSPACED}]")
WORD = re.compile(r"[^\W_][\w.&'’+-]*")
CONNECTORS = frozenset("a al and by da das de del della der des di do dos du e et for für i la of og und y".split())
NAME_WORDS = 6
UNSPACED_NAME = 8


def folded(text: str) -> str:
    """The start of a text as word lists have it."""
    return folded_label(text[:LABEL_LENGTH])


@lru_cache(maxsize=256)
def folded_label(label: str) -> str:
    """A label as word lists have it, kept because several rules read it."""
    return fold(label).text


class Naming(Enum):
    """How an item names an option."""

    OPTION = "option"
    SENTENCE = "sentence"
    """A whole sentence that opens with a tracked name."""
    ARTICLE_SENTENCE = "article sentence"
    """The same with an article before the name."""
    SECTION = "section"
    """A tracked name with the word of a section ("Kordio Strengths")."""
    NONE = "none"


def label_naming(label: str, before: str | None, after: str) -> Naming:
    """How a bold, linked or heading label names an option; `before` and `after` are around its first tracked name."""
    if QUESTION.search(label):
        return Naming.NONE
    if before is None:
        return Naming.OPTION if could_name(label) and reads_as_name(label) else Naming.NONE
    if is_comparison(before, after) or is_instruction(label, opened=not before.strip()):
        return Naming.NONE
    if is_section(before, after):
        return Naming.SECTION
    part = SEPARATOR.split(before)[-1]
    if not ARTICLE.fullmatch(before) and (not leaves_subject(part) or opens_without_option(label)):
        return Naming.NONE
    return Naming.SENTENCE if is_sentence(SEPARATOR.split(after)[0]) else Naming.OPTION


def item_naming(label: str, before: str | None, after: str) -> Naming:
    """How the plain words of an item name an option."""
    if QUESTION.search(label):
        return Naming.NONE
    if before is None or not ARTICLE.fullmatch(before):
        return Naming.OPTION if could_name(label) and capitalised(label[:LABEL_LENGTH]) else Naming.NONE
    quoted = OPENED_QUOTE.search(before) is not None
    if quoted and (closed := CLOSED_QUOTE.match(after)) is not None:
        after = after[closed.end() :]
    if is_genitive(after):
        return Naming.NONE
    if PARTICLE.match(after) or is_comparison("", after):
        return Naming.NONE
    if goes_on_as_name(after):
        return Naming.OPTION
    if quoted:
        return Naming.NONE
    return Naming.ARTICLE_SENTENCE if any(char.isalpha() for char in before) else Naming.SENTENCE


def is_sentence(words: str) -> bool:
    """Whether words go on as a sentence does: three or more, most of them in lower case."""
    found = [word for word in WORD.findall(words[:LABEL_LENGTH]) if word.lower() not in CONNECTORS]
    return len(found) > 2 and 2 * sum(word[0].islower() for word in found) > len(found)


def reads_as_sentence(label: str) -> bool:
    """Whether a label without a tracked name is a sentence: up to its first separator, or in any part before a stop."""
    parts = SEPARATOR.split(label)
    return any(is_sentence(part) for part in (parts if label.endswith((".", "!")) else parts[:1]))


def could_name(label: str) -> bool:
    """Whether a label without a tracked name could be an option: no section, conclusion, advice or instruction."""
    words = folded(label).strip(" .:!*")
    if not words or opens_without_option(label) or SECTION_LABEL.search(words) or UNCASED_SENTENCE.search(words):
        return False
    return COMPARISON.match(words) is None and not is_instruction(label, opened=False)


def opens_without_option(label: str) -> bool:
    """Whether a label opens with the words of a conclusion, a criterion, advice or a question."""
    words = folded(label).strip(" .:!*")
    return NO_OPTION.match(words) is not None or PARTS.split(words)[0] in NO_OPTION_WHOLE


def is_genitive(after: str) -> bool:
    """Whether a name is a genitive: an apostrophe or a letter of its own script touches it."""
    if APOSTROPHE.match(after):
        return True
    return after[:1].isalpha() and not UNSPACED_START.match(after) and not SUBJECT_PARTICLE.match(after)


def is_instruction(label: str, *, opened: bool) -> bool:
    """Whether a label tells the reader what to do: it opens with such a verb, or closes with a German infinitive."""
    if not opened and INSTRUCTION.match(folded(label).strip(" .:!*,")):
        return True
    last = WORD.findall(label[:LABEL_LENGTH])[1:][-1:]
    return bool(last) and last[0].islower() and folded(last[0]) in CLOSING_VERBS


def is_comparison(before: str, after: str) -> bool:
    """Whether the name stands in a comparison with another ("vs. X", "X vs Y")."""
    if before and COMPARISON.match(folded(before).strip(" (*")):
        return True
    return bool(after.strip()) and VERSUS.match(folded(after).lstrip()) is not None


def is_section(before: str, after: str) -> bool:
    """Whether a label is a tracked name with the word of a section and nothing else."""
    if ARTICLE.fullmatch(before):
        return bool(after) and SECTION_REST.fullmatch(folded(after).strip(" .!*")) is not None
    return not after.strip(" .:!*") and SECTION_OF.fullmatch(folded(before).strip()) is not None


def leaves_subject(part: str) -> bool:
    """Whether the words before a name leave it the subject: none, articles, or a maker's name in capitals."""
    words = folded(part[-LABEL_LENGTH:]).strip()
    if not words or ARTICLE.fullmatch(part.strip()):
        return True
    return PREPOSITION_END.search(words) is None


def goes_on_as_name(after: str) -> bool:
    """Whether what follows a name is part of it, a figure or nothing: no word in lower case."""
    rest = after[:LABEL_LENGTH].strip()
    if UNSPACED_START.match(rest):
        return len(rest) <= UNSPACED_NAME and not SUBJECT_PARTICLE.search(rest)
    words = [word for word in WORD.findall(rest) if word.lower() not in CONNECTORS]
    if len(words) > NAME_WORDS or SUBJECT_PARTICLE.match(after):
        return False
    return not any(word[0].islower() for word in words)


def reads_as_name(label: str) -> bool:
    """Whether a label without a tracked name, or what stands after its colon or dash, is written as names are."""
    parts = [part for part in PARTS.split(label[:LABEL_LENGTH]) if part]
    if not parts or reads_as_sentence(label):
        return False
    if len(parts) > 1 and capitalised(parts[-1]):
        return True
    return CATEGORY.match(fold(parts[0]).text) is None and capitalised(parts[0])


def capitalised(part: str) -> bool:
    """One word, or words that are all capitalised but for connectors."""
    found = re.findall(r"[\w.&'’+-]+", part)
    words = [word for word in found if word.lower() not in CONNECTORS]
    if len(found) == 1:
        return bool(words)
    return 0 < len(words) <= NAME_WORDS and all(not word[0].islower() for word in words)
