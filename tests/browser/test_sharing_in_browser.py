"""Signing in and sharing in headless Chromium: the cookies that it takes, and the forms that it sends."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.access import sessions, shares, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.db.database import Database
from tests.browser.service import CHROMIUM, Served, run


@pytest.mark.parametrize("script", [True, False])
def test_a_person_signs_in_by_a_link(served: Served, script: bool) -> None:
    """The button of the link leads to the portfolio, and the session holds on the next page."""
    with Database(served.url) as db:
        text = sign_ins.new_link(db, served.user)
    assert text is not None
    steps = ({"goto": f"/sign-in/{text.reveal()}"}, {"follow": "main button"}, {"read": "h1"})
    first, account = served.go(*steps, {"goto": "/account"}, {"read": "main b"}, cookies={}, script=script)
    assert "/" == first["path"]
    assert ["demo@agency.example"] == account["texts"]
    leave = ({"goto": "/account"}, {"follow": "header button"}, {"goto": "/"}, {"read": "h1"})
    out = served.go(*leave, cookies=further_session(served))
    assert out[0]["path"].startswith("/sign-in")


@pytest.mark.parametrize("script", [True, False])
def test_a_stranger_opens_a_link_that_an_owner_made(served: Served, script: bool) -> None:
    """The owner makes it by a form; a browser without a session sees the project, and no page for owners."""
    path = f"/projects/{served.numbers['project']}"
    form = (
        {"fill": "#label", "with": "Acme"},
        {"follow": "form[action$='/reports/links'] button"},
        {"read": ".secret"},
    )
    (made,) = served.go({"goto": f"{path}/reports"}, *form, script=script)
    address = made["texts"][0].removeprefix(served.base)
    look = ({"goto": address}, {"read": "h1"}, {"read": ".tabs a"})
    opened, tabs = served.go(*look, cookies={}, script=script, width=390)
    assert path == opened["path"]
    assert 1 == len(opened["texts"])
    assert [] == [each for each in tabs["texts"] if each in ("Informes", "Ajustes")]
    with Database(served.url) as db:
        share = shares.shares_of(db, served.numbers["project"])[0]
        assert 1 == share.opens
        shares.revoke(db, Actor("command", served.user), served.numbers["project"], share.id)
    assert ["Aquí no hay nada"] == title_after(served, address)


def further_session(served: Served) -> dict[str, str]:
    """The cookie of a further session."""
    with Database(served.url) as db:
        return {"llm_session": sessions.begin(db, served.user, "link").reveal()}


def title_after(served: Served, address: str) -> Any:
    """The heading of an address that is missing, of which the browser speaks in its console."""
    steps = [{"goto": address}, {"read": "h1"}]
    order: dict[str, Any] = {"chromium": CHROMIUM, "base": served.base, "cookies": {}, "language": "es", "steps": steps}
    return run("journey.mjs", order)["read"][0]["texts"]
