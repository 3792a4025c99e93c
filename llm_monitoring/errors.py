"""The errors that this package raises on purpose.

Fields carry the facts, the message states them for a person, and neither names a command: whoever shows an error adds
what to type or where to click, by its `code` (`process/hints.py` for the command line and the logs).
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "agency",
    "answer",
    "competitor",
    "key",
    "model",
    "name",
    "note",
    "project",
    "prompt",
    "run",
    "session",
    "share",
    "site",
    "token",
    "user",
]


class MonitoringError(Exception):
    """Something went wrong in LLM monitoring."""

    def __init__(self, message: str = "", *, code: str = "", **facts: object) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])
        self.code = code
        self.facts = facts


class ConfigurationError(MonitoringError):
    """The configuration is wrong."""


class BadInput(MonitoringError):
    """The request cannot be served as it was made; raise one of the four below."""


class NotFound(BadInput):
    """What the request names does not exist. `project_id` is the project that does not have it."""

    def __init__(self, kind: Kind, key: object, message: str = "", *, project_id: int | None = None) -> None:
        default = f"{kind} {key} does not exist" if project_id is None else f"project {project_id} has no {kind} {key}"
        super().__init__(message or default, code=f"{kind}_not_found", project_id=project_id)
        self.kind = kind
        self.key = key


class AlreadyExists(BadInput):
    """The request would create a thing that exists already."""

    def __init__(self, kind: Kind, name: object, message: str = "") -> None:
        super().__init__(message or f"there is a {kind} {name} already", code=f"{kind}_exists")
        self.kind = kind
        self.name = name


class Invalid(BadInput):
    """A value cannot be taken. `field` names it; the message states what is wrong and what to write instead."""

    def __init__(self, field: str, message: str, *, code: str = "", **facts: object) -> None:
        super().__init__(message, code=code, **facts)
        self.field = field


class NotReady(BadInput):
    """What the request names is in a state that does not allow it."""

    def __init__(self, kind: Kind, key: object, message: str, *, code: str = "", **facts: object) -> None:
        super().__init__(message, code=code, **facts)
        self.kind = kind
        self.key = key
