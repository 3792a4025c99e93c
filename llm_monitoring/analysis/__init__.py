"""Reading an answer: mentions, positions and citations, by the policy in the docstrings; pure functions on text."""

from __future__ import annotations

from llm_monitoring.analysis.answer import ANALYSIS_VERSION, Analysis, Matcher, Mention, analyse
from llm_monitoring.analysis.entity import Entity
from llm_monitoring.analysis.sources import Source

__all__ = ["ANALYSIS_VERSION", "Analysis", "Entity", "Matcher", "Mention", "Source", "analyse"]
