"""What clients see of an agency: its name and logo on shared pages and reports, set by a form with a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from llm_monitoring.access import agencies
from llm_monitoring.errors import Invalid
from llm_monitoring.web.pages.account_settings import Person, Shown, page, user_of
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form, done
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(include_in_schema=False, prefix="/settings/agency")

FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Upload:
    """The fields of a form and the file in it; None without one."""

    form: Form
    logo: bytes | None


async def read_upload(request: Request) -> Upload:
    """The form of a request, with at most one file, of which no more is read than a logo may have.

    Raises Problem for what no form of ours sends.
    """
    values: dict[str, tuple[str, ...]] = {}
    logo = b""
    async with request.form(max_files=1, max_fields=FIELDS, max_part_size=4_000) as sent:
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                logo = await value.read(agencies.MOST_BYTES + 1)
            elif "\x00" in value:
                raise Problem("bad_request")
            else:
                values[name] = (*values.get(name, ()), value)
    return Upload(Form(values), logo or None)


@router.get("")
def go_back(visitor: Person) -> Response:
    """Where the form was sent to, there is the page that has it, as for a change of language."""
    return done("/settings")


@router.post("")
def set_agency(request: Request, visitor: Person, upload: Annotated[Upload, Depends(read_upload)]) -> Response:
    """Set the name and the logo; without a file the present logo stays, unless it is to go."""
    form, db = upload.form, visitor.app.db
    present = agencies.agency_of(db, user_of(visitor))
    kept = present.logo if present and not form.is_on("without_logo") else None
    try:
        agencies.set_agency(db, visitor.actor, form.text("name"), upload.logo or kept)
    except Invalid as exc:
        return page(request, visitor, Shown(agency=form.refused(**errors_of(request, exc))))
    return done("/settings?saved=agency")


@router.post("/remove")
def remove_agency(visitor: Person) -> Response:
    """Show no name and no logo any more."""
    agencies.remove_agency(visitor.app.db, visitor.actor)
    return done("/settings?saved=agency_removed")
