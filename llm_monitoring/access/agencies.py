"""The name and logo of who shares: shown on shared pages and on reports."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.db import Database, Row, in_transaction, load
from llm_monitoring.errors import Invalid, NotFound

SQL = load("shares")

LONGEST_NAME: Final = 100
MOST_BYTES: Final = 100_000
# of each form the bytes that it begins with, with any four in place of "...."; SVG may carry script and is not taken
FORMS: Final = (
    ("image/png", b"\x89PNG\r\n\x1a\n", b""),
    ("image/jpeg", b"\xff\xd8\xff", b""),
    ("image/webp", b"RIFF", b"WEBP"),
)


@dataclass(frozen=True, slots=True)
class Agency:
    """A name, and a logo as its bytes and form."""

    name: str
    logo: bytes | None = None
    logo_type: str | None = None

    @property
    def logo_address(self) -> str | None:
        """The logo as a `data:` address; its form is one of FORMS and never what someone said of it."""
        return None if self.logo is None else f"data:{self.logo_type};base64,{b64encode(self.logo).decode()}"


def agency_of(db: Database, user_id: int) -> Agency | None:
    """What a user shows; None if nothing is set."""
    return read_agency(db.one(SQL.agency, {"user_id": user_id}))


def agency_of_project(db: Database, project_id: int) -> Agency | None:
    """What the owner of a project shows; None if nothing is set."""
    return read_agency(db.one(SQL.agency_of_project, {"project_id": project_id}))


def set_agency(db: Database, actor: Actor, name: str, logo: bytes | None = None) -> Agency:
    """Store name and logo of the actor's account, with the record; raises Invalid for what cannot be shown."""
    if not 1 <= len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        sentence = f"an agency's name has 1 to {LONGEST_NAME} characters"
        raise Invalid("name", sentence, code="text_length", most=LONGEST_NAME)
    made = Agency(name.strip(), logo, None if logo is None else form_of(logo))

    def work(db: Database) -> None:
        values = {"name": made.name, "logo": made.logo, "logo_type": made.logo_type}
        db.execute(SQL.set_agency, {"user_id": actor.user_id, **values})
        after = {"name": made.name, "logo_type": made.logo_type, "logo_bytes": len(logo or b"")}
        audit.record(db, actor, "agency.set", after=after)

    in_transaction(db, work)
    return made


def remove_agency(db: Database, actor: Actor) -> None:
    """Show nothing any more, with the record; raises NotFound if nothing was set."""

    def work(db: Database) -> None:
        if not db.execute(SQL.remove_agency, {"user_id": actor.user_id}):
            raise NotFound("agency", actor.user_id, f"user {actor.user_id} has no agency's name")
        audit.record(db, actor, "agency.remove")

    in_transaction(db, work)


def form_of(logo: bytes) -> str:
    """The form of an image by its bytes; raises Invalid for any other and for one that is too large."""
    if len(logo) > MOST_BYTES:
        sentence = f"a logo has at most {MOST_BYTES // 1000} kB, this one has {len(logo) // 1000}"
        raise Invalid("logo", sentence, code="logo_too_large", most=MOST_BYTES // 1000)
    found = next((form for form, head, inner in FORMS if logo.startswith(head) and logo[8:].startswith(inner)), None)
    if found is None:
        raise Invalid("logo", "a logo is a PNG, JPEG or WebP image", code="logo_form")
    return found


def read_agency(row: Row | None) -> Agency | None:
    if row is None:
        return None
    return Agency(row["name"], None if row["logo"] is None else bytes(row["logo"]), row["logo_type"])
