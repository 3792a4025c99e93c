"""Errors as RFC 9457 documents: a code for programs, a sentence in English or Spanish for people."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from llm_monitoring.access.audit import TooManyChanges
from llm_monitoring.db import DatabaseUnavailable, Locked
from llm_monitoring.errors import AlreadyExists, BadInput, Invalid, MonitoringError, NotFound, NotReady
from llm_monitoring.figures.readings import TooManyStale

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
WEIGHT: Final = re.compile(r"q=([01](?:\.\d{1,3})?)", re.IGNORECASE)
TYPE: Final = "urn:llm-monitoring:problem:"

# of each code the status and its title in English and in Spanish
CODES: Final[Mapping[str, tuple[int, str, str]]] = {
    "bad_request": (400, "The request cannot be read", "La petición no se puede leer"),
    "unauthenticated": (401, "A valid token is needed", "Hace falta un token válido"),
    "budget_exhausted": (402, "The month's budget is spent", "El presupuesto del mes está gastado"),
    "scope_missing": (403, "The token lacks a scope", "Al token le falta un permiso"),
    "sign_in_needed": (403, "You need to sign in", "Hay que iniciar sesión"),
    "sign_in_refused": (403, "You could not be signed in", "No se pudo iniciar la sesión"),
    "foreign_origin": (403, "The request comes from another site", "La petición viene de otro sitio"),
    "not_found": (404, "There is no such thing here", "No existe"),
    "method_not_allowed": (405, "This method is not offered here", "Este método no se ofrece aquí"),
    "too_slow": (408, "The body did not come in time", "El cuerpo no llegó a tiempo"),
    "already_exists": (409, "It exists already", "Ya existe"),
    "no_key": (409, "No provider has a usable key", "Ningún proveedor tiene una clave utilizable"),
    "not_ready": (409, "Its state does not allow this", "Su estado no lo permite"),
    "changed_meanwhile": (412, "It was changed meanwhile", "Ha cambiado entretanto"),
    "too_large": (413, "The body is too large", "El cuerpo es demasiado grande"),
    "unsupported_media_type": (415, "The body must be JSON", "El cuerpo debe ser JSON"),
    "invalid": (422, "A value is not accepted", "Un valor no se acepta"),
    "condition_needed": (428, "If-Match is needed", "Hace falta If-Match"),
    "too_many_requests": (429, "Too many requests", "Demasiadas peticiones"),
    "internal": (500, "An error of the service", "Un error del servicio"),
    "busy": (503, "Another session holds the row", "Otra sesión retiene la fila"),
    "unavailable": (503, "The database is not reachable", "La base de datos no responde"),
    "no_address": (503, "LLM_WEB_HOST is needed to sign in", "Hace falta LLM_WEB_HOST para iniciar sesión"),
    "no_master_key": (503, "Keys cannot be stored without a master key", "Sin clave maestra no se guardan claves"),
}
MOST_ERRORS: Final = 50
"""Values that one answer names: a body has room for hundreds of thousands that are not accepted."""
REFUSALS: Final[Mapping[type[MonitoringError], str]] = {
    NotFound: "not_found",
    AlreadyExists: "already_exists",
    NotReady: "not_ready",
    TooManyStale: "not_ready",
    TooManyChanges: "too_many_requests",
    BadInput: "invalid",
}
BY_STATUS: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One value that is not accepted: where it stands in the body (RFC 6901), and why.

    Pages say why by `code`, in the visitor's language, with the `facts` that the text of the code names.
    """

    pointer: str
    detail: str
    code: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The field next to which a page shows the problem."""
        return self.pointer.rpartition(":")[2].strip("/").partition("/")[0]


class NotAccepted(ValueError):
    """A value that a check of ours refuses within the types of a body: its code and facts, as errors have them."""

    def __init__(self, code: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


class Problem(Exception):
    """An answer that is not a success: its code says the status and the title, `cause` why, for pages."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        cause: FieldError | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.cause = cause


class ProblemBody(BaseModel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldErrorBody] = []


class FieldErrorBody(BaseModel):
    """A value that is not accepted: its place in the body (RFC 6901), and why."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Document:
    """A problem as it is sent."""

    code: str
    detail: str
    language: str
    request_id: str
    errors: tuple[FieldError, ...] = field(default=())

    def body(self) -> dict[str, Any]:
        status, english, spanish = CODES[self.code]
        title = spanish if self.language == "es" else english
        body: dict[str, Any] = {
            "type": TYPE + self.code,
            "title": title,
            "status": status,
            "detail": self.detail or title,
            "code": self.code,
            "request_id": self.request_id,
        }
        if self.errors:
            body["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in self.errors]
        return body


Answer = Callable[[Request, Problem], Response]
"""Makes the response of a problem."""


def install(app: FastAPI, answer: Answer) -> None:
    """Answer every error of the service, the framework's own included, as a problem."""
    for kind in (Problem, MonitoringError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, lambda request, error: answer(request, as_problem(error)))
    app.add_exception_handler(Exception, lambda request, error: answer(request, unexpected(request, error)))


def as_problem(error: Exception) -> Problem:
    """The problem that an error is to a caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return invalid(error)
    if isinstance(error, HTTPException):
        return Problem(BY_STATUS.get(error.status_code, "bad_request"), headers=error.headers)
    if isinstance(error, Locked):
        return Problem("busy", headers={"Retry-After": "3"})
    if isinstance(error, DatabaseUnavailable):
        return Problem("unavailable", headers={"Retry-After": "10"})
    if isinstance(error, Invalid):
        return Problem("invalid", errors=[field_error(error)])
    for kind, code in REFUSALS.items():
        if isinstance(error, kind):
            return Problem(code, str(error), cause=refusal(error))
    return Problem("internal")


def field_error(error: Invalid) -> FieldError:
    return FieldError(f"/{error.field.replace('.', '/')}", str(error), error.code, error.facts)


def refusal(error: MonitoringError) -> FieldError:
    """An error that is of no field, as pages say it."""
    return FieldError("", str(error), error.code, error.facts)


def refusals(error: ValidationError) -> list[FieldError]:
    """What the types of a body do not accept, with the framework's own codes."""
    return [value_error(pointer_to(each["loc"]), each) for each in error.errors()[:MOST_ERRORS]]


def value_error(pointer: str, found: Mapping[str, Any]) -> FieldError:
    """What the framework says of a value; of one that a check of ours refuses, what that says."""
    context = found.get("ctx", {})
    raised = context.get("error")
    if isinstance(raised, NotAccepted):
        return FieldError(pointer, str(found["msg"]), raised.code, raised.facts)
    return FieldError(pointer, str(found["msg"]), str(found["type"]), context)


def invalid(error: RequestValidationError) -> Problem:
    """What the types of a request do not accept, each value by its pointer."""
    errors, malformed = [], False
    for each in error.errors()[:MOST_ERRORS]:
        place, *where = each["loc"]
        malformed = malformed or each["type"] == "json_invalid"
        pointer = pointer_to(where) if place == "body" else f"{place}:{'.'.join(map(str, where))}"
        errors.append(value_error(pointer, each))
    return Problem("bad_request" if malformed else "invalid", errors=errors)


def pointer_to(place: Sequence[object]) -> str:
    """The pointer to a place in a body (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def unexpected(request: Request, error: Exception) -> Problem:
    """Log an error of ours with its trace; the caller learns the number of the request alone."""
    log.error(
        "❌ %s %s",
        request.method,
        path_template(request),
        exc_info=error,
        extra={"event": "web.error", "request_id": request_id(request)},
    )
    return Problem("internal")


def document_answer(request: Request, problem: Problem) -> JSONResponse:
    """A problem as the document that programs read."""
    document = Document(problem.code, problem.detail, language_of(request), request_id(request), problem.errors)
    headers = {**problem.headers, "Cache-Control": "no-store"}
    if problem.code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(document.body(), CODES[problem.code][0], headers, MEDIA_TYPE)


def language_of(request: Request) -> str:
    """The language of a sentence: English unless Spanish is preferred."""
    given = (part.partition(";") for part in request.headers.get("accept-language", "").split(","))
    wanted = [(weight_of(parameters), name.strip()[:2].lower()) for name, _, parameters in given]
    known = [each for each in wanted if each[1] in ("es", "en") and each[0] > 0]
    return max(known, key=lambda each: each[0])[1] if known else "en"


def weight_of(parameters: str) -> float:
    """The weight of a language (RFC 9110): 1 if it has none."""
    found = WEIGHT.fullmatch(parameters.strip())
    return float(found[1]) if found else 1.0


def request_id(request: Request) -> str:
    found: str = getattr(request.state, "request_id", "") or uuid.uuid4().hex
    return found


def path_template(request: Request) -> str:
    """The path as it is declared, without its values."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "-"))
