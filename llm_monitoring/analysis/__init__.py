"""Reading an answer: mentions, positions and citations, by the policy in the docstrings; pure functions on text.

The rules are imported when they are first used: to name an entity or a result needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.result import ANALYSIS_VERSION, Analysis, Mention
from llm_monitoring.analysis.sentiment import (
    JUDGE_INSTRUCTIONS,
    SENTIMENTS,
    Sentiment,
    SentimentScore,
    UnreadableVerdict,
    judge_prompt,
    read_verdict,
)
from llm_monitoring.process.late_names import late_names

if TYPE_CHECKING:
    from llm_monitoring.analysis.answer import Matcher, analyse
    from llm_monitoring.analysis.mentions.vocabulary import compile_hosts
    from llm_monitoring.analysis.name_doubts import Doubt, cased_key, common_words, doubts, key, names_in
    from llm_monitoring.analysis.sources import Source, owner_of_source, page_key
    from llm_monitoring.analysis.text.domains import entry_of_host, normalise_domain
    from llm_monitoring.analysis.text.folding import fold, normalise
    from llm_monitoring.analysis.text.hosts import ascii_host
else:
    __getattr__ = late_names(
        __name__,
        {
            "answer": "Matcher analyse",
            "mentions.vocabulary": "compile_hosts",
            "name_doubts": "Doubt cased_key common_words doubts key names_in",
            "sources": "Source owner_of_source page_key",
            "text.domains": "entry_of_host normalise_domain",
            "text.folding": "fold normalise",
            "text.hosts": "ascii_host",
        },
    )

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
    "compile_hosts",
    "doubts",
    "entry_of_host",
    "fold",
    "judge_prompt",
    "key",
    "load_rules",
    "names_in",
    "normalise",
    "normalise_domain",
    "owner_of_source",
    "page_key",
    "read_verdict",
]


def load_rules() -> None:
    """Import the rules now, so that the first answer is not read later because of it."""
    import_module("llm_monitoring.analysis.answer")
