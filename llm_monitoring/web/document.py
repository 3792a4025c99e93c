"""The OpenAPI document: the framework's, with every refusal as the problem that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path

from llm_monitoring.web.problems import MEDIA_TYPE, ProblemBody

MAKING: Final = Lock()
"""The framework makes a wrong document, or none, while another thread makes one."""

UNUSED: Final = ("HTTPValidationError", "ValidationError")
PROBLEM: Final[dict[str, Any]] = {
    "description": "A problem (RFC 9457): its `code` says which.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application; made once, whichever requests ask for it at the same time."""
    with MAKING:
        if app.openapi_schema is None:
            app.openapi_schema = make_document(app)
        return app.openapi_schema


def make_document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, routes=app.routes, description=app.description)
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"] = {
                status: answer for status, answer in operation["responses"].items() if status != "422"
            } | {"default": PROBLEM}
    schemas = made["components"]["schemas"]
    for name in UNUSED:
        schemas.pop(name, None)
    schemas |= problem_schemas()
    return made


def problem_schemas() -> dict[str, Any]:
    """The schemas of a problem and of what it holds."""
    made = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = made.pop("$defs", {})
    return {"ProblemBody": made, **parts}


def methods_of(document: Mapping[str, Any], path: str) -> list[str]:
    """The methods that the operations on a path have; what is read by GET is asked for by HEAD as well."""
    fitting = (methods for template, methods in document["paths"].items() if compile_path(template)[0].match(path))
    found = {method.upper() for methods in fitting for method in methods}
    return sorted(found | {"HEAD"} if "GET" in found else found)
