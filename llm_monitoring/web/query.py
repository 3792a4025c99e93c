"""What a request's query may hold: the parameters that its operation declares, each once unless it is a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path
from fastapi.routing import APIRoute

from llm_monitoring.web.problems import FieldError, Problem


def check_query(request: Request) -> None:
    """Raise Problem for a parameter that the operation does not know, as its misspelling would change nothing.

    The same for one that is given twice: which of the two would count?
    """
    declared = parameters(request.scope["route"])
    errors = [
        FieldError(f"query:{name}", "there is no such parameter" if name not in declared else "it is given twice")
        for name, times in Counter(name for name, _ in request.query_params.multi_items()).items()
        if name not in declared or (times > 1 and not declared[name])
    ]
    if errors:
        raise Problem("invalid", errors=errors)


def parameters(route: APIRoute) -> Mapping[str, bool]:
    """The parameters of a route's query, and whether each is a list."""
    return {
        each.alias: get_origin(each.field_info.annotation) is list
        for each in get_flat_params(route.dependant)
        if not isinstance(each.field_info, Path | Header | Cookie)
    }
