"""The account over the API: keys that are never shown, the month's budget, models, and the record of changes."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from llm_monitoring.domain import PROVIDERS
from tests.integration.web.world import World

KEY = "sk-proj-account-aaaaaaaaaaaaaaaaaaaaaaaaaaaaZq81"


def test_a_key_is_stored_and_seen_by_its_last_four(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Encrypted in the database, in no answer, log or record."""
    with caplog.at_level(logging.DEBUG):
        stored = world.call("POST", "/api-keys", json={"provider": "openai", "api_key": KEY})
        listed = world.call("GET", "/api-keys")
    assert 201 == stored.status_code
    assert "no-store" == stored.headers["cache-control"]
    assert {"provider": "openai", "source": "user", "last_four": "Zq81", "problem": None} == stored.json()
    assert list(PROVIDERS) == [each["provider"] for each in listed.json()]
    kept = str(world.db.all("SELECT * FROM llm_audit_log")) + str(world.db.all("SELECT * FROM user_llm_api_keys"))
    assert KEY not in stored.text + listed.text + caplog.text + kept
    assert KEY == world.service.app_of(world.ana).keys.all_for(world.ana)["openai"].reveal()


def test_a_refused_key_is_not_repeated(world: World) -> None:
    """422 names the field; the text that was sent is in no answer."""
    refused = world.call("PUT", "/api-keys", json={"provider": "openai", "api_key": "my key is secret-word"})
    assert 422 == refused.status_code
    assert "secret-word" not in refused.text
    short = world.call("PUT", "/api-keys", json={"provider": "openai", "api_key": "s3cr3t"})
    assert 422 == short.status_code
    assert "s3cr3t" not in short.text


def test_a_key_is_removed(world: World) -> None:
    """The next removal finds none."""
    world.call("PUT", "/api-keys", json={"provider": "openai", "api_key": KEY})
    assert 204 == world.call("DELETE", "/api-keys/openai").status_code
    assert 404 == world.call("DELETE", "/api-keys/openai").status_code
    assert ["key.store", "key.remove"] == [
        row["action"] for row in world.db.all("SELECT action FROM llm_audit_log ORDER BY id")
    ]


def test_without_a_master_key_none_is_stored(world: World) -> None:
    """503 with a code of its own."""
    object.__setattr__(world.service.settings, "keys_encryption_key", None)
    refused = world.call("PUT", "/api-keys", json={"provider": "openai", "api_key": KEY})
    assert 503 == refused.status_code
    assert "no_master_key" == refused.json()["code"]


def test_the_budget_is_shown_in_decimal_strings(world: World) -> None:
    """Of the token's user alone, with the default before the first call."""
    world.service.app_of(world.bea).budget.correct(world.bea, Decimal("3.5"), "a test")
    found = world.call("GET", "/budget").json()
    assert "100.00" == found["budget_usd"]
    assert "0" == found["spent_usd"]
    assert "ok" == found["state"]
    assert "0" == found["saved_usd"]
    assert found["forecast"] is None
    theirs = world.call("GET", "/budget", world.texts["bea"]).json()
    assert Decimal("3.5") == Decimal(theirs["spent_usd"])


def test_models_are_listed_with_their_prices(world: World) -> None:
    """Those of one provider, the current one first."""
    found = world.call("GET", "/models", params={"provider": "google"}).json()
    assert {"google"} == {row["llm_provider"] for row in found}
    assert found[0]["is_current"]
    assert isinstance(found[0]["cost_per_1m_input_tokens"], str)


def test_the_record_of_changes_is_the_users_own(world: World) -> None:
    """Newest first, a page at a time."""
    for number in range(3):
        world.call("PATCH", f"/projects/{world.project}", json={"industry": f"I{number}"})
    world.call("PATCH", f"/projects/{world.foreign}", world.texts["bea"], json={"industry": "theirs"})
    first = world.call("GET", "/audit", params={"limit": 2}).json()
    rest = world.call("GET", "/audit", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ["I2", "I1", "I0"] == [row["after"]["industry"] for row in first["data"] + rest["data"]]
    assert rest["next_cursor"] is None


def test_who_calls_is_said(world: World) -> None:
    """The token by its first characters, with what it may do."""
    text = world.token(world.ana, ["figures:read"], [world.project])
    found = world.call("GET", "/me", text).json()
    assert world.ana == found["user_id"]
    assert ["figures:read"] == found["scopes"]
    assert [world.project] == found["project_ids"]
    assert found["token"] == text[:12]


@pytest.mark.ci
def test_the_months_of_the_budget_have_their_types(world: World) -> None:
    """Amounts as decimal strings, declared so in the document."""
    world.service.app_of(world.ana).budget.correct(world.ana, Decimal("3.50"), "a test")
    (month,) = world.call("GET", "/budget").json()["history"]
    amounts = {name: month[name] for name in ("calls_usd", "in_doubt_usd", "corrected_usd", "charged_usd")}
    assert {"calls_usd": 0, "in_doubt_usd": 0, "corrected_usd": Decimal("3.5"), "charged_usd": Decimal("3.5")} == {
        name: Decimal(text) for name, text in amounts.items() if isinstance(text, str)
    }
    declared = world.app.openapi()["components"]["schemas"]["Month"]["properties"]
    assert {"string"} == {declared[name]["type"] for name in amounts}


def test_a_token_ends_itself_and_sees_no_other(world: World) -> None:
    """Its end is recorded; another token of the same user is a missing one, and none is made over the API."""
    text, other = world.token(world.ana, ["figures:read"], [world.project]), world.token(world.ana)
    listed = world.call("GET", "/tokens", text)
    (token,) = listed.json()["data"]
    assert text[:12] == token["prefix"]
    assert ["figures:read"] == token["scopes"]
    assert [world.project] == token["project_ids"]
    assert "no-store" == listed.headers["cache-control"]
    assert text not in listed.text
    assert 404 == world.call("DELETE", f"/tokens/{token['id']}", other).status_code
    assert 405 == world.call("POST", "/tokens", json={"name": "x", "scopes": ["figures:read"]}).status_code
    assert 204 == world.call("DELETE", f"/tokens/{token['id']}", text).status_code
    assert 401 == world.call("GET", "/tokens", text).status_code
    (row,) = world.db.all("SELECT action, actor_id, object_id FROM llm_audit_log WHERE action LIKE 'token%%'")
    assert {"action": "token.revoke", "actor_id": token["id"], "object_id": str(token["id"])} == row
