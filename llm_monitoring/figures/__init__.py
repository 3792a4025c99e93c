"""Figures: the statistics, a day's cells, periods and their comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_monitoring.process.late_names import late_names

if TYPE_CHECKING:
    from llm_monitoring.figures.cells import Cell, Summary, summary_of
    from llm_monitoring.figures.change import CONFIDENCE, Change, Verdict
    from llm_monitoring.figures.comparison import Comparison, compare
    from llm_monitoring.figures.figure_measures import (
        MEASURED_FIGURES,
        CountedIn,
        MeasuredFigure,
        competitor_measures,
        counted_in,
    )
    from llm_monitoring.figures.measures import (
        Basis,
        Entry,
        Measured,
        Pair,
        PromptMeans,
        Value,
        joined,
        measured_pairs,
        summed,
    )
    from llm_monitoring.figures.movers import PromptChange, ProviderPart, provider_parts
    from llm_monitoring.figures.observations import ModelChange, Observation, model_changes, prompts_asked
    from llm_monitoring.figures.rates import MIN_PROMPTS, Rate, period_rate
    from llm_monitoring.figures.spread import answers_error, wider_error
    from llm_monitoring.figures.statistics import hundredths, percentage, rounded, t_quantile, wilson
else:
    __getattr__ = late_names(
        __name__,
        {
            "cells": "Cell Summary summary_of",
            "change": "CONFIDENCE Change Verdict",
            "comparison": "Comparison compare",
            "figure_measures": "MEASURED_FIGURES CountedIn MeasuredFigure competitor_measures counted_in",
            "measures": "Basis Entry Measured Pair PromptMeans Value joined measured_pairs summed",
            "movers": "PromptChange ProviderPart provider_parts",
            "observations": "ModelChange Observation model_changes prompts_asked",
            "rates": "MIN_PROMPTS Rate period_rate",
            "spread": "answers_error wider_error",
            "statistics": "hundredths percentage rounded t_quantile wilson",
        },
    )

__all__ = [
    "CONFIDENCE",
    "MEASURED_FIGURES",
    "MIN_PROMPTS",
    "Basis",
    "Cell",
    "Change",
    "Comparison",
    "CountedIn",
    "Entry",
    "Measured",
    "MeasuredFigure",
    "ModelChange",
    "Observation",
    "Pair",
    "PromptChange",
    "PromptMeans",
    "ProviderPart",
    "Rate",
    "Summary",
    "Value",
    "Verdict",
    "answers_error",
    "compare",
    "competitor_measures",
    "counted_in",
    "hundredths",
    "joined",
    "measured_pairs",
    "model_changes",
    "percentage",
    "period_rate",
    "prompts_asked",
    "provider_parts",
    "rounded",
    "summary_of",
    "summed",
    "t_quantile",
    "wider_error",
    "wilson",
]
