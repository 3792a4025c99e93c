"""The settings of an account: keys that are never shown, the budget, tokens that are shown once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_monitoring.access import tokens
from tests.integration.web.world import World, sign_in

KEY = "sk-proj-settings-page-aaaaaaaaaaaaaaaaaaaaWXYZ"


def post(world: World, path: str, user: int | None = None, fields: dict[str, Any] | None = None) -> Any:
    cookies = sign_in(world, user or world.ana)
    return world.open(f"/settings{path}", cookies, "POST", data=fields or {}, headers={"Accept-Language": "en"})


def show(world: World, user: int | None = None, path: str = "") -> Any:
    return world.open(f"/settings{path}", sign_in(world, user or world.ana), headers={"Accept-Language": "en"})


def actions(world: World) -> list[tuple[str, str]]:
    rows = world.call("GET", "/audit").json()["data"]
    return [(row["actor_kind"], row["action"]) for row in rows if row["action"].startswith(("key", "token"))]


def test_a_key_is_stored_shown_by_its_end_and_forgotten(world: World) -> None:
    """Neither page nor address nor record holds it."""
    saved = post(world, "/keys", fields={"provider": "openai", "api_key": KEY})
    assert 303 == saved.status_code
    assert "/settings?saved=key" == saved.headers["location"]
    shown = show(world)
    assert 200 == shown.status_code
    assert "<code>WXYZ</code>" in shown.text
    assert KEY not in shown.text
    assert "no-store" == shown.headers["cache-control"]
    assert KEY not in str(world.db.all("SELECT t.*::text FROM llm_audit_log t"))
    assert 303 == post(world, "/keys/openai/remove").status_code
    assert "WXYZ" not in show(world).text
    assert [("person", "key.remove"), ("person", "key.store")] == actions(world)


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "openai", "api_key": "short"},
        {"provider": "nobody", "api_key": KEY},
        {"provider": "openai"},
        {"provider": "openai", "api_key": f"{KEY}\u200b…"},
    ],
)
def test_a_key_that_is_refused_is_not_repeated(world: World, fields: dict[str, str]) -> None:
    """The page says what is wrong next to the field, and the field is empty."""
    refused = post(world, "/keys", fields=fields)
    assert 422 == refused.status_code
    assert 'class="error"' in refused.text
    typed = fields.get("api_key")
    assert not typed or f'value="{typed}"' not in refused.text
    assert KEY not in refused.text
    assert [] == actions(world)


def test_a_user_has_only_so_many_tokens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which one is revoked to have another, the day after."""
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    world.token(world.ana)
    fields = {"name": "x", "scopes": "projects:read", "days": "9"}
    assert [200, 422] == [post(world, "/tokens", fields=fields).status_code for _ in range(2)]
    assert "You have 2 tokens" in post(world, "/tokens", fields=fields).text


def test_a_key_of_no_one_is_a_missing_one(world: World) -> None:
    """To verify and to forget."""
    assert [404, 404] == [post(world, f"/keys/google/{act}").status_code for act in ("verify", "remove")]


def test_a_token_is_shown_once_and_works_until_it_is_revoked(world: World) -> None:
    """With the scopes and projects that were ticked, and no others."""
    fields = {
        "name": "Sheets",
        "scopes": ["figures:read", "projects:read"],
        "projects": [str(world.project)],
        "days": "30",
    }
    made = post(world, "/tokens", fields=fields)
    found = re.search(r"llmm_[0-9a-f]{72}", made.text)
    assert found is not None
    assert "no-store" == made.headers["cache-control"]
    assert 200 == world.call("GET", f"/projects/{world.project}", found[0]).status_code
    assert 403 == world.call("GET", "/budget", found[0]).status_code
    token = tokens.find(world.db, found[0])
    assert token is not None
    assert (world.project,) == token.project_ids
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - datetime.now(UTC) < timedelta(days=31)
    assert found[0] not in show(world).text
    assert token.prefix in show(world).text
    assert 404 == post(world, f"/tokens/{token.id}/revoke", world.bea).status_code
    assert [303, 303] == [post(world, f"/tokens/{token.id}/revoke").status_code for _ in range(2)]  # recorded once
    assert 401 == world.call("GET", f"/projects/{world.project}", found[0]).status_code
    assert [("person", "token.revoke"), ("person", "token.create")] == actions(world)


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"days": "0"}, "days"),
        ({"days": "x"}, "days"),
        ({"projects": ["999999"]}, "project_ids"),
    ],
)
def test_a_token_that_cannot_be_is_said_next_to_the_field(world: World, change: dict[str, Any], field: str) -> None:
    """What was typed stays, and none is made."""
    before = len(tokens.tokens_of(world.db, world.ana))
    given = {"name": "Typed name", "scopes": ["figures:read"], "days": "30", **change}
    refused = post(world, "/tokens", fields=given)
    assert 422 == refused.status_code
    assert f'id="{field}-error"' in refused.text
    assert field == "name" or "Typed name" in refused.text
    assert before == len(tokens.tokens_of(world.db, world.ana))


def test_each_person_sees_the_own_account(world: World) -> None:
    """Keys, tokens and the record of others are not there."""
    post(world, "/keys", fields={"provider": "openai", "api_key": KEY})
    post(world, "/tokens", fields={"name": "Only of Ana", "scopes": ["figures:read"], "days": "30"})
    shown = show(world, world.bea).text
    assert "WXYZ" not in shown
    assert "Only of Ana" not in shown


def test_where_a_form_was_sent_there_is_the_page(world: World) -> None:
    """A change of language after a form leads back."""
    for path in ("/keys", "/tokens", "/keys/openai/verify"):
        answer = show(world, path=path)
        assert 303 == answer.status_code, path
        assert "/settings" == answer.headers["location"], path
