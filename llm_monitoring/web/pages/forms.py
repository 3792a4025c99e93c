"""Forms of the pages: what was typed, what is wrong with it, and the page that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from llm_monitoring.web.problems import Problem

MOST_FIELDS: Final = 200


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form as they were typed, and what is wrong with them: `errors` by field, in words."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """The field's text without spaces around it."""
        return (self.values.get(name) or (default,))[-1].strip()

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a field that may come several times."""
        return self.values.get(name, ())

    def lines(self, name: str) -> list[str]:
        """The lines of a field that are not empty."""
        return [line.strip() for line in self.text(name).splitlines() if line.strip()]

    def is_on(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def error(self, name: str) -> str | None:
        return self.errors.get(name)

    def refused(self, **errors: str) -> Form:
        """The same form with what is wrong with it."""
        return Form(self.values, errors)


async def read_form(request: Request) -> Form:
    """The form of a request; raises Problem for what no form of ours sends."""
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as exc:
        raise Problem("bad_request") from exc
    values: dict[str, tuple[str, ...]] = {}
    for name, text in pairs:
        if "\x00" in text:
            raise Problem("bad_request")
        values[name] = (*values.get(name, ()), text.replace("\r\n", "\n"))
    return Form(values)


Sent = Annotated[Form, Depends(read_form)]
"""The form of a request as a parameter of a route."""


def done(path: str) -> Response:
    """Go on to a page after a change, so that a reload does not repeat it."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
