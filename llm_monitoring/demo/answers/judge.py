"""Simulates the judge of sentiment: scores how passages of an answer speak of a brand."""

from __future__ import annotations

import json
import re
from typing import Final

from llm_monitoring.demo.exchange import Ask, Composed, share

GOOD_WORDS: Final = (
    "mejor ideal destaca recomend clar sencill complet buen fácil valoran segur gratuit automátic"
    " punto\\sfuerte ventaja rápid conocid best stands?\\sout recommend clear simpl complete good easy"
    " value safe free automat strength pros?\\b great excellent quick well-known solid"
)
BAD_WORDS: Final = (
    "peor car[oa]s?\\b limitad corto anticuad complej débil inconvenient menos lent abrumar faltan?\\b"
    " floj evita fraude worst expensive costly limited falls?\\sshort dated complex\\b weak cons\\b less"
    " slow overwhelm missing avoid scam terrible problem"
)
GOOD: Final = re.compile(rf"(?<!\w)(?:{'|'.join(GOOD_WORDS.split())})", re.IGNORECASE)
BRAND: Final = re.compile(r'^Brand: ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
BAD: Final = re.compile(rf"(?<!\w)(?:{'|'.join(BAD_WORDS.split())})", re.IGNORECASE)


def is_sentiment(ask: Ask) -> bool:
    """Return whether a request asks for a sentiment in JSON."""
    instructions = ask.instructions.casefold()
    return "sentiment" in instructions and ("json" in instructions or ask.wants_json)


def judge(ask: Ask) -> Composed:
    """Return the verdict as one JSON object, the same for the same text."""
    good, bad = len(GOOD.findall(ask.prompt)), len(BAD.findall(ask.prompt))
    balance = (good - bad) / max(3, good + bad)
    score = min(0.98, max(0.02, 0.5 + 0.42 * balance + 0.08 * (share(ask.prompt) - 0.5)))
    label = "positive" if score >= 0.6 else "negative" if score <= 0.4 else "neutral"
    verdict = {"sentiment": label, "score": round(score, 2)}
    named = BRAND.search(ask.prompt)
    return Composed(json.dumps({"brand": json.loads(named[1]), **verdict} if named else verdict))
