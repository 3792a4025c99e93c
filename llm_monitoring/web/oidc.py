"""Signing in at an OpenID provider: code flow with PKCE, state and nonce, for users that exist, by verified address."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from llm_monitoring.access.addresses import is_loopback
from llm_monitoring.errors import ConfigurationError, MonitoringError
from llm_monitoring.providers import bodies
from llm_monitoring.providers.transport import (
    CURRENT,
    ENCODING_HEADERS,
    DeadlineBackend,
    Exchange,
    certificates,
    proxy_for,
)
from llm_monitoring.settings import Settings

SCOPE: Final = "openid email"
# signatures of the provider's own key alone: none that the client's secret could make, and not none
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
TIMEOUT_SECONDS: Final = 10.0  # of a whole request
MOST_REPLY_BYTES: Final = 1_000_000
LONGEST_NAME: Final = 200
LEEWAY_SECONDS: Final = 60
KEPT_SECONDS: Final = 3600.0
REFETCH_SECONDS: Final = 30.0  # so that tokens with made-up names of keys make few requests
ERROR_CODE: Final = re.compile(r"[a-z][a-z_]{0,59}")
UNUSABLE: Final = (AuthlibBaseError, JoseError, httpx2.HTTPError, ValueError, KeyError, TypeError)


class SignInRefused(MonitoringError):
    """The provider did not say who this is, or what it says does not hold."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What a browser keeps of a sign-in that it began: none of it says who it is."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Flow:
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))

    @classmethod
    def read(cls, text: str) -> Flow | None:
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    @property
    def text(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


class Documents:
    """Documents of the provider by address, each kept for KEPT_SECONDS; the clock is passed in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.found: dict[str, tuple[float, Any]] = {}

    def get(
        self, client: OAuth2Client, address: str, check: Callable[[Any], object], most_seconds: float = KEPT_SECONDS
    ) -> Any:
        """The document at an address, fetched again if it is older; one that `check` refuses is not kept."""
        kept = self.found.get(address)
        if kept is not None and self.clock() - kept[0] < most_seconds:
            return kept[1]
        body = document(client, address)
        check(body)
        self.found[address] = (self.clock(), body)
        return body


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider of the settings; `callback` is our address that it sends browsers back to."""

    issuer: str
    client_id: str
    client_secret: str
    callback: str
    documents: Documents = field(default_factory=Documents, compare=False)

    @property
    def account(self) -> tuple[str, str]:
        """What turns are counted by."""
        return ("oidc", self.issuer)

    def begin(self, flow: Flow) -> str:
        """The provider's address that a browser goes to; raises SignInRefused."""
        try:
            with self.client() as client:
                endpoint = self.endpoints(client)["authorization_endpoint"]
                url, _ = client.create_authorization_url(
                    endpoint, state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
                )
        except UNUSABLE as exc:
            raise SignInRefused(f"the provider's document cannot be used: {cause(exc)}") from exc
        return str(url)

    def finish(self, flow: Flow, state: str, code: str, error: str) -> str:
        """The verified address of who came back with a code, or with the provider's error; raises SignInRefused."""
        if not hmac.compare_digest(flow.state.encode(), state.encode()):
            raise SignInRefused("it was not begun in this browser")
        if not code:
            raise SignInRefused(f"the provider gives no code: {error_code(error)}")
        try:
            with self.client() as client:
                found = self.endpoints(client)
                token = client.fetch_token(
                    found["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=flow.verifier
                )
                keys = self.keys(client, found["jwks_uri"], token["id_token"])
            claims = self.claims(token, keys, flow.nonce, found["issuer"])
        except UNUSABLE as exc:
            raise SignInRefused(f"the provider's answer does not hold: {cause(exc)}") from exc
        email = claims.get("email")
        if not is_verified(claims) or not isinstance(email, str):
            raise SignInRefused("the provider has not verified the address")
        return email

    def keys(self, client: OAuth2Client, address: str, id_token: str) -> Any:
        """The provider's keys: fetched again if they have none of the token's name, as after a change of keys."""
        kept = self.documents.get(client, address, KeySet.import_key_set)
        wanted = jws.extract_compact(str(id_token).encode()).headers().get("kid")
        if any(key.get("kid") == wanted for key in kept["keys"]):
            return kept
        return self.documents.get(client, address, KeySet.import_key_set, REFETCH_SECONDS)

    def claims(self, token: Any, keys: Any, nonce: str, issuer: str) -> CodeIDToken:
        decoded = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": self.client_id},
                "nonce": {"essential": True, "value": nonce},
            },
            {"nonce": nonce, "client_id": self.client_id, "access_token": token.get("access_token")},
        )
        claims.validate(leeway=LEEWAY_SECONDS)
        return claims

    def endpoints(self, client: OAuth2Client) -> Any:
        """The provider's endpoints as it lists them; raises SignInRefused if it is another, or one is not safe."""
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        return self.documents.get(client, address, self.check_endpoints)

    def check_endpoints(self, found: Any) -> None:
        issuer = found["issuer"]
        if issuer.rstrip("/") != self.issuer.rstrip("/"):
            raise SignInRefused(f"LLM_OIDC_ISSUER is not the issuer that its document names: {issuer[:LONGEST_NAME]!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            parts = urlsplit(found[name])
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
                raise SignInRefused(f"its {name} is without https")

    def client(self) -> OAuth2Client:
        return OAuth2Client(
            self.client_id,
            self.client_secret,
            scope=SCOPE,
            redirect_uri=self.callback,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            transport=BoundedTransport(self.issuer),
        )


class BoundedTransport(httpx2.HTTPTransport):
    """Gives whole replies of at most MOST_REPLY_BYTES that came within TIMEOUT_SECONDS, as a thread waits for them.

    It has the certificates and the proxy of the environment, as calls of AI providers have: the library would fail on
    a proxy that is not used, such as ALL_PROXY with SOCKS next to HTTPS_PROXY. Raises ConfigurationError if they
    cannot be used.
    """

    def __init__(self, issuer: str) -> None:
        super().__init__(verify=certificates(), proxy=proxy_for(httpx2.URL(issuer)))
        self._pool._network_backend = DeadlineBackend()  # noqa: SLF001 - as for calls of AI providers

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["accept-encoding"] = bodies.ENCODINGS
        token = CURRENT.set(Exchange(time.monotonic() + TIMEOUT_SECONDS))
        try:
            response = super().handle_request(request)
            body = bodies.whole_body(response)
        finally:
            CURRENT.reset(token)
        if len(body) > MOST_REPLY_BYTES:
            raise httpx2.ReadError(f"the reply is longer than {MOST_REPLY_BYTES} bytes")
        headers = [(name, text) for name, text in response.headers.multi_items() if name not in ENCODING_HEADERS]
        return httpx2.Response(response.status_code, headers=headers, content=body)


def cause(error: Exception) -> str:
    """What an operator has to know of an error: the provider's code or status, not what its text may repeat."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return error_code(error.error) if isinstance(error, AuthlibBaseError) else type(error).__name__


def error_code(text: str | None) -> str:
    """A code of an OAuth error, such as access_denied; anyone can call us with another text, which no log has."""
    return text if text and ERROR_CODE.fullmatch(text) else "no known error"


def document(client: OAuth2Client, address: str) -> Any:
    return client.request("GET", address, withhold_token=True).raise_for_status().json()


def is_verified(claims: Mapping[str, Any]) -> bool:
    """Whether the provider states that the address is the user's own.

    Microsoft Entra gives no `email_verified`. Its optional claim `xms_edov`, in one of several forms, states that the
    owner of the address's domain was verified; without it a user there could enter any address.
    """
    stated = claims.get("email_verified")
    return stated is True if stated is not None else claims.get("xms_edov") in (True, "1", "true")


def provider_of(settings: Settings, address: str | None) -> Provider | None:
    """The provider of the settings, None without one; raises ConfigurationError if they name half of one."""
    named = (settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
    if not any(named):
        return None
    issuer, client_id, secret = named
    if issuer is None or client_id is None or secret is None or address is None:
        raise ConfigurationError(
            "a provider of sign-ins needs LLM_OIDC_ISSUER, LLM_OIDC_CLIENT_ID, LLM_OIDC_CLIENT_SECRET and LLM_WEB_HOST"
        )
    BoundedTransport(issuer).close()  # what cannot be used is reported when the service starts
    return Provider(issuer, client_id, secret.reveal(), f"{address}/oidc/callback")
