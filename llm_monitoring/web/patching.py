"""JSON merge patches (RFC 7396), and bodies that are made in the service and validated as those that are sent."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from llm_monitoring.web.problems import Problem, refusals

Model = TypeVar("Model", bound=BaseModel)


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The object that a merge patch makes of another one."""
    found = dict(target)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            part = found.get(name)
            found[name] = merged(part if isinstance(part, dict) else {}, value)
        else:
            found[name] = value
    return found


def accepted(kind: type[Model], fields: dict[str, Any]) -> Model:
    """The fields as a model; raises Problem that names each value that is not accepted."""
    try:
        return kind.model_validate(fields)
    except ValidationError as exc:
        raise Problem("invalid", errors=refusals(exc)) from exc
