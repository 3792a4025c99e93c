"""The pages of sources and competitors: what each visitor sees, and kinds that an owner corrects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_monitoring.access import roles
from tests.conftest import Databases
from tests.integration.web.two_periods import two_periods
from tests.integration.web.world import World, sign_in


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """Two measured periods of one project of Ana, which Bea may view."""
    with two_periods(databases) as world:
        roles.add_viewer(world.db, world.project, world.bea)
        yield world


def post(world: World, user: int, **fields: str) -> Any:
    return world.open(f"/projects/{world.project}/sources", sign_in(world, user), "POST", data=fields)


def kinds_set(world: World) -> list[tuple[str, str]]:
    rows = world.db.all("SELECT site, kind FROM llm_site_kinds ORDER BY site")
    return [(row["site"], row["kind"]) for row in rows]


def test_an_owner_corrects_a_kind_and_takes_it_back(measured: World) -> None:
    """The page leads back to itself, counts it at once, and both are recorded as the person's."""
    saved = post(measured, measured.ana, site="example.org", kind="editorial")
    assert 303 == saved.status_code
    assert f"/projects/{measured.project}/sources?saved=kind" == saved.headers["location"]
    shown = measured.open(saved.headers["location"], sign_in(measured, measured.ana), headers={"Accept-Language": "en"})
    assert "Press" in shown.text
    assert 'role="status"' in shown.text
    assert [("example.org", "editorial")] == kinds_set(measured)
    assert 303 == post(measured, measured.ana, site="example.org", kind="reset").status_code
    assert [] == kinds_set(measured)
    rows = measured.call("GET", "/audit").json()["data"]
    assert [("person", "site_kind.unset"), ("person", "site_kind.set")] == [
        (row["actor_kind"], row["action"]) for row in rows if row["action"].startswith("site_kind")
    ]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(("site", "kind"), [("co.uk", "forum"), ("example.org", "own"), ("unknown.example", "reset")])
def test_what_cannot_be_set_is_said_next_to_the_field(measured: World, site: str, kind: str) -> None:
    """Nothing typed is lost, and nothing is stored."""
    refused = post(measured, measured.ana, site=site, kind=kind)
    assert 422 == refused.status_code
    assert f'value="{site}" aria-invalid="true"' in refused.text or 'aria-describedby="kind-error"' in refused.text
    assert f'value="{site}"' in refused.text
    assert [] == kinds_set(measured)


def test_a_viewer_sees_sources_and_corrects_nothing(measured: World) -> None:
    """The form is the owner's, and its address is a missing one to others."""
    shown = measured.open(f"/projects/{measured.project}/sources", sign_in(measured, measured.bea))
    assert 200 == shown.status_code
    assert "example.org" in shown.text
    assert 'id="correct"' not in shown.text
    assert 404 == post(measured, measured.bea, site="example.org", kind="forum").status_code
    assert [] == kinds_set(measured)


def test_a_form_of_another_site_is_refused(measured: World) -> None:
    """By where the browser says that it comes from."""
    address = f"/projects/{measured.project}/sources"
    sent = measured.open(
        address,
        sign_in(measured, measured.ana),
        "POST",
        data={"site": "example.org", "kind": "forum"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert 403 == sent.status_code
    assert [] == kinds_set(measured)


def test_names_of_others_stay_text(measured: World) -> None:
    """A hostile brand, competitor and title are printed as they are written."""
    hostile = "<script>alert(1)</script>"
    measured.db.execute(
        "UPDATE llm_monitoring_projects SET name = %(name)s, brand_name = %(name)s WHERE id = %(id)s",
        {"name": hostile, "id": measured.project},
    )
    for noun in ("sources", "rivals"):
        shown = measured.open(f"/projects/{measured.project}/{noun}", sign_in(measured, measured.ana))
        assert 200 == shown.status_code, noun
        assert hostile not in shown.text, noun
        assert "&lt;script&gt;" in shown.text, noun


def test_pages_without_answers_say_so(measured: World) -> None:
    """A project that was never asked has a page without an error."""
    for noun in ("sources", "rivals"):
        shown = measured.open(f"/projects/{measured.foreign}/{noun}", sign_in(measured, measured.bea))
        assert 200 == shown.status_code, noun
        assert "data-n" not in shown.text, noun
