"""The record of changes takes bounded room, whatever is changed how often."""

from __future__ import annotations

import pytest

from llm_monitoring.access import audit
from tests.integration.web.world import World, sign_in


def test_a_long_value_is_recorded_by_its_digest(world: World) -> None:
    """Of a list of names that takes hundreds of kilobytes; equal values stay equal, and short ones stay as they are."""
    path = f"/projects/{world.project}"
    rivals = [{"name": f"Rival {number}", "aliases": ["a" * 250 + str(number)]} for number in range(100)]
    tag = world.call("GET", f"{path}/competitors").headers["etag"]
    put = world.call("PUT", f"{path}/competitors", json={"competitors": rivals}, headers={"If-Match": tag})
    assert 200 == put.status_code
    assert 200 == world.call("PATCH", path, json={"industry": "other"}).status_code
    changed, replaced = world.call("GET", "/audit").json()["data"][:2]
    assert [{"name": "Holded", "aliases": [], "domains": [], "exclude": [], "case_sensitive": False}] == replaced[
        "before"
    ]["competitors"]
    assert {"characters", "sha256"} == set(replaced["after"]["competitors"])
    assert changed["before"]["competitors"] == changed["after"]["competitors"] == replaced["after"]["competitors"]
    assert "other" == changed["after"]["industry"]
    page = world.open(f"{path}/changes", sign_in(world, world.ana), headers={"Accept-Language": "en"}).text
    assert "industry" in page


def test_an_account_makes_so_many_changes_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all its tokens and sessions; what ends access and the changes of other accounts go on, and tomorrow all do."""
    monkeypatch.setattr(audit, "MOST_A_DAY", 3)
    path, note = f"/projects/{world.project}/notes", {"day": "2026-11-01", "text": "News"}
    notes = [world.call("POST", path, json=note) for _ in range(4)]
    assert [201, 201, 201, 429] == [each.status_code for each in notes]
    assert "at most 3 changes" in notes[3].text
    assert 3 == len(world.call("GET", path).json()["data"])
    cookies = sign_in(world, world.ana)
    page = world.open(
        f"/projects/{world.project}/settings/state",
        cookies,
        "POST",
        data={"act": "pause"},
        headers={"Accept-Language": "es"},
    )
    assert 429 == page.status_code
    assert "como mucho 3 cambios" in page.text
    assert 204 == world.call("DELETE", f"/tokens/{token_of(world)}").status_code
    assert 201 == world.call("POST", f"/projects/{world.foreign}/notes", world.texts["bea"], json=note).status_code
    world.db.execute("UPDATE llm_audit_log SET at = at - interval '1 day'")
    assert 201 == world.call("POST", path, world.token(world.ana), json=note).status_code


def token_of(world: World) -> int:
    """The number of the token with which Ana calls."""
    return int(world.call("GET", "/tokens").json()["data"][0]["id"])
