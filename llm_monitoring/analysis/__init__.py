"""Reading an answer: mentions, positions and citations, by the policy in the docstrings; pure functions on text."""

from __future__ import annotations

from llm_monitoring.analysis.answer import ANALYSIS_VERSION, Analysis, Matcher, Mention, analyse
from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.mentions.vocabulary import compile_vocabulary
from llm_monitoring.analysis.name_doubts import Doubt, cased_key, common_words, doubts, key
from llm_monitoring.analysis.sentiment import (
    JUDGE_INSTRUCTIONS,
    SENTIMENTS,
    Sentiment,
    SentimentScore,
    UnreadableVerdict,
    judge_prompt,
    read_verdict,
)
from llm_monitoring.analysis.sources import Source, owner_of_source, page_key
from llm_monitoring.analysis.text.domains import entry_of_host, normalise_domain
from llm_monitoring.analysis.text.folding import fold
from llm_monitoring.analysis.text.hosts import ascii_host

__all__ = [
    "ANALYSIS_VERSION",
    "JUDGE_INSTRUCTIONS",
    "SENTIMENTS",
    "Analysis",
    "Doubt",
    "Entity",
    "Matcher",
    "Mention",
    "Sentiment",
    "SentimentScore",
    "Source",
    "UnreadableVerdict",
    "analyse",
    "ascii_host",
    "cased_key",
    "common_words",
    "compile_vocabulary",
    "doubts",
    "entry_of_host",
    "fold",
    "judge_prompt",
    "key",
    "normalise_domain",
    "owner_of_source",
    "page_key",
    "read_verdict",
]
