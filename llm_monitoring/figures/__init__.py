"""Figures: the statistics, a day's cells, periods and their comparison."""
