"""Signing in at an OpenID provider on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import OctKey

from llm_monitoring import projects
from llm_monitoring.access import sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.web.oidc import KEPT_SECONDS, REFETCH_SECONDS
from tests.integration.web.oidc_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, key, serving
from tests.integration.web.world import World, open_world

SESSION = "__Host-llm_session"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """The provider."""
    with serving() as made:
        yield made


@pytest.fixture
def world(database_url: str, provider: FakeProvider) -> Iterator[World]:
    """The service that knows the provider."""
    settings = {
        "LLM_OIDC_ISSUER": provider.issuer,
        "LLM_OIDC_CLIENT_ID": CLIENT_ID,
        "LLM_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }
    with open_world(database_url, **settings) as made:
        yield made


def cookies_of(answer: Any) -> dict[str, str]:
    pairs = [each.partition(";")[0].partition("=") for each in answer.headers.get_list("set-cookie")]
    return {name: text for name, _, text in pairs}


def begin(world: World, path: str = "/") -> tuple[str, dict[str, str]]:
    """Where the browser is sent, and the cookies that it keeps."""
    answer = world.open("/oidc", params={"next": path})
    assert 303 == answer.status_code, answer.text
    return answer.headers["location"], cookies_of(answer)


def sign_in(world: World, provider: FakeProvider) -> Any:
    address, cookies = begin(world)
    return world.open("/oidc/callback", cookies, params=provider.authorize(address))


def test_a_user_signs_in_at_the_provider(world: World, provider: FakeProvider) -> None:
    """To it and back to where the user wanted to go, with a session of its own."""
    address, cookies = begin(world, "/account")
    answer = world.open("/oidc/callback", cookies, params=provider.authorize(address))
    assert 303 == answer.status_code
    assert "/account" == answer.headers["location"]
    assert "ana@example.com" in world.open("/account", {SESSION: cookies_of(answer)[SESSION]}).text
    assert [{"method": "oidc"}] == world.db.all("SELECT method FROM llm_sessions")
    assert "/oidc" in world.open("/sign-in").text


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_a_proxy_that_is_not_used_stops_no_one(
    variable: str, world: World, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy programs set ALL_PROXY to their SOCKS port next to HTTPS_PROXY, which alone is used."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, "socks5://127.0.0.1:1080")
    assert 303 == sign_in(world, provider).status_code


def test_a_proxy_that_cannot_be_used_stops_the_service(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named when the service starts, and not by each sign-in."""
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    named = {"LLM_OIDC_ISSUER": "https://id.example", "LLM_OIDC_CLIENT_ID": "x", "LLM_OIDC_CLIENT_SECRET": "y"}
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"), open_world(database_url, **named):
        pass


def test_the_way_back_is_ours(world: World, provider: FakeProvider) -> None:
    """Whatever the address or the cookie says."""
    address, cookies = begin(world, "//evil.example")
    planted = {**cookies, "__Host-llm_oidc_next": "https://evil.example"}
    answer = world.open("/oidc/callback", planted, params=provider.authorize(address))
    assert "/" == answer.headers["location"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["no cookie", "another flow", "another state", "no state"])
def test_what_another_browser_began_is_refused(world: World, provider: FakeProvider, kind: str) -> None:
    """Without the cookie, with another flow's, or with another state: no one is signed in unasked."""
    address, cookies = begin(world)
    sent = provider.authorize(address)
    given, query = {
        "no cookie": ({}, sent),
        "another flow": (begin(world)[1], sent),
        "another state": (cookies, {**sent, "state": "x"}),
        "no state": (cookies, {"code": sent["code"]}),
    }[kind]
    assert 403 == world.open("/oidc/callback", given, params=query).status_code
    assert [] == world.db.all("SELECT id FROM llm_sessions")


def test_an_address_that_only_looks_alike_signs_no_one_in(world: World, provider: FakeProvider) -> None:
    """The Kelvin sign and the dotted I have small letters of ASCII: their addresses are others."""
    user = projects.add_user(world.db, "kiki@example.com")
    for email, found in (("KIKI@example.com", user), ("\u212aiki@example.com", None), ("k\u0130ki@example.com", None)):
        person = sign_ins.person_of_address(world.db, email)
        assert found == (person and person.id)


def test_a_code_is_used_once(world: World, provider: FakeProvider) -> None:
    """A second time the provider refuses it, and so do we."""
    address, cookies = begin(world)
    sent = provider.authorize(address)
    assert [303, 403] == [world.open("/oidc/callback", cookies, params=sent).status_code for _ in range(2)]


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email_verified": None, "xms_edov": "0"},
        {"email_verified": False, "xms_edov": True},
        {"email": None},
        {"email": ["ana@example.com"]},
        {"email": "no-one@example.com"},
        {"azp": "another"},
    ],
    ids=str,
)
def test_what_does_not_hold_signs_no_one_in(world: World, provider: FakeProvider, claims: dict[str, Any]) -> None:
    """A token for another flow, client or issuer, an old one, an address that is not verified, and a stranger."""
    provider.claims = claims
    assert 403 == sign_in(world, provider).status_code
    assert [] == world.db.all("SELECT id FROM llm_sessions")
    assert 2 == len(world.db.all("SELECT id FROM users"))


@pytest.mark.short(every=3)
@pytest.mark.parametrize("form", [True, 1, "1", "true"])
def test_microsoft_has_a_claim_of_its_own(world: World, provider: FakeProvider, form: object) -> None:
    """Entra states with `xms_edov` that the domain of the address is its owner's, and has no `email_verified`."""
    provider.claims = {"email_verified": None, "xms_edov": form}
    assert 303 == sign_in(world, provider).status_code
    assert 1 == len(world.db.all("SELECT id FROM llm_sessions"))


@pytest.mark.parametrize("kind", ["another key", "the client's secret"])
def test_a_token_is_signed_by_the_provider(world: World, provider: FakeProvider, kind: str) -> None:
    """By its own key; a signature that is made with the shared secret is none."""
    if kind == "another key":
        provider.signer = key("another")
    else:
        provider.signer, provider.algorithm = OctKey.import_key(CLIENT_SECRET), "HS256"
    assert 403 == sign_in(world, provider).status_code


def test_a_disabled_user_is_not_signed_in(world: World, provider: FakeProvider) -> None:
    """Whatever the provider says."""
    sign_ins.disable(world.db, Actor("command", world.ana))
    assert 403 == sign_in(world, provider).status_code


def test_a_provider_that_is_another_is_refused(world: World, provider: FakeProvider) -> None:
    """Its own document names another issuer: the browser is sent nowhere."""
    provider.issuer = "https://evil.example"
    assert 403 == world.open("/oidc").status_code


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if getattr(each, "event", "") == "web.oidc_failed"]


@pytest.mark.ci
def test_the_log_names_another_issuer(world: World, provider: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    """As with an address for all organisations, of which each has an issuer of its own: the operator reads which."""
    provider.issuer = "https://login.example/{tenantid}/v2.0"
    world.open("/oidc")
    assert "document names: 'https://login.example/{tenantid}/v2.0'" in refusals(caplog)[0]


@pytest.mark.ci
def test_the_log_names_a_missing_document(
    database_url: str, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A provider with a wrong path in its address."""
    wrong = {"LLM_OIDC_ISSUER": f"{provider.issuer}/x", "LLM_OIDC_CLIENT_ID": "a", "LLM_OIDC_CLIENT_SECRET": "b"}
    with open_world(database_url, **wrong) as world:
        assert 403 == world.open("/oidc").status_code
    assert "HTTP 404" in refusals(caplog)[0]


@pytest.mark.short(every=4)
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"error": "access_denied", "error_description": "AADSTS50105"}, "gives no code: access_denied"),
        ({"error": "no\r\nsuch"}, "gives no code: no known error"),
        ({}, "gives no code: no known error"),
        ({"code": "of-another-flow"}, "does not hold: invalid_grant"),
    ],
)
def test_the_log_names_what_the_provider_refused(
    world: World, provider: FakeProvider, caplog: pytest.LogCaptureFixture, sent: dict[str, str], why: str
) -> None:
    """A person whom the provider does not let in, or a secret that has expired, is no forged sign-in."""
    address, cookies = begin(world)
    state = provider.authorize(address)["state"]
    assert 403 == world.open("/oidc/callback", cookies, params={"state": state, **sent}).status_code
    assert refusals(caplog)[0].endswith(why)


@pytest.mark.ci
def test_what_providers_add_to_the_way_back(world: World, provider: FakeProvider) -> None:
    """Their own parameters keep no one out."""
    address, cookies = begin(world)
    added = {"session_state": "s", "iss": provider.issuer, "scope": "openid", "authuser": "0", "prompt": "none"}
    back = world.open("/oidc/callback", cookies, params={**provider.authorize(address), **added})
    assert 303 == back.status_code


@pytest.mark.ci
def test_documents_of_the_provider_are_kept(world: World, provider: FakeProvider) -> None:
    """An hour, so that a sign-in asks the provider for its token alone."""
    assert [303, 303] == [sign_in(world, provider).status_code for _ in range(2)]
    assert ["/.well-known/openid-configuration", "/keys"] == provider.asked


@pytest.mark.ci
def test_documents_are_fetched_again_after_an_hour(world: World, provider: FakeProvider) -> None:
    """What the provider changed is noticed."""
    now = [0.0]
    assert world.service.oidc is not None
    world.service.oidc.documents.clock = lambda: now[0]
    begin(world)
    now[0] = KEPT_SECONDS
    begin(world)
    assert 2 == len(provider.asked)


@pytest.mark.ci
def test_a_new_key_of_the_provider_is_fetched(world: World, provider: FakeProvider) -> None:
    """A token that is signed with a key that we do not know yet signs in, once the keys may be asked for again."""
    now = [0.0]
    assert world.service.oidc is not None
    world.service.oidc.documents.clock = lambda: now[0]
    sign_in(world, provider)
    provider.key = key("next", "two")
    now[0] = 1.0
    refused = sign_in(world, provider).status_code
    now[0] = REFETCH_SECONDS
    assert 403 == refused
    assert 303 == sign_in(world, provider).status_code
    assert 2 == provider.asked.count("/keys")


@pytest.mark.ci
def test_a_document_that_is_refused_is_not_kept(world: World, provider: FakeProvider) -> None:
    """Once the provider's own document is right, people sign in."""
    issuer, provider.issuer = provider.issuer, "https://evil.example"
    refused = world.open("/oidc").status_code
    provider.issuer = issuer
    assert 403 == refused
    assert 303 == world.open("/oidc").status_code


def test_without_a_provider_there_is_no_such_page(database_url: str) -> None:
    """And half of one is refused at the start."""
    with open_world(database_url) as world:
        assert 404 == world.open("/oidc").status_code
        assert 404 == world.open("/oidc/callback").status_code
    with (
        pytest.raises(ConfigurationError, match="LLM_OIDC_CLIENT_SECRET"),
        open_world(database_url, LLM_OIDC_CLIENT_ID="monitor"),
    ):
        pass


def test_no_line_of_the_log_has_a_code(world: World, provider: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a token, nor a cookie: queries are not logged."""
    caplog.set_level("INFO")
    address, cookies = begin(world)
    sent = provider.authorize(address)
    world.open("/oidc/callback", cookies, params=sent)
    logged = str([vars(each) for each in caplog.records if each.name != "httpx2"])
    assert "/oidc/callback" in logged
    assert [] == [each for each in (sent["code"], sent["state"], *cookies.values()) if each in logged and each != "/"]


def test_each_request_to_the_provider_takes_a_turn(world: World, provider: FakeProvider) -> None:
    """A provider that does not answer would otherwise keep every thread of the service."""
    address, cookies = begin(world)
    turns = replace(world.service.turns, at_once=0, most_waiting=0)
    world.app.state.service = replace(world.service, turns=turns)
    assert 429 == world.open("/oidc").status_code
    assert 429 == world.open("/oidc/callback", cookies, params=provider.authorize(address)).status_code
