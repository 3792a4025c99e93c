"""The root of every error that this package raises on purpose."""

from __future__ import annotations


class MonitoringError(Exception):
    """Something went wrong in LLM monitoring."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])


class ConfigurationError(MonitoringError):
    """The configuration is wrong."""


class BadInput(MonitoringError):
    """The input is not usable."""
