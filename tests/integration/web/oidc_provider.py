"""A small OpenID provider on loopback: it signs in whom the test says, as the test says."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "monitor", "hush-hush-hush-hush-hush-hush-hush"


@cache
def key(name: str, kid: str = "one") -> RSAKey:
    """A key, made when a test first needs it: each takes a tenth of a second of every worker that collects."""
    return RSAKey.generate_key(2048, {"kid": kid})


@dataclass
class FakeProvider:
    """What it answers: `claims` replace those of the token, `algorithm` and `key` its signature."""

    key: RSAKey = field(default_factory=lambda: key("own"))
    address: str = ""
    issuer: str = ""
    email: str = "ana@example.com"
    claims: dict[str, Any] = field(default_factory=dict)
    signer: Any = None
    algorithm: str = "RS256"
    challenges: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def authorize(self, address: str) -> dict[str, str]:
        """Open the address that a browser was sent to; return what it comes back with."""
        query = {name: each[0] for name, each in parse_qs(urlsplit(address).query).items()}
        assert ("code", "S256", CLIENT_ID) == tuple(
            query[each] for each in ("response_type", "code_challenge_method", "client_id")
        )
        code = f"code-{len(self.challenges)}"
        self.challenges[code] = (query["code_challenge"], query["nonce"])
        return {"code": code, "state": query["state"]}

    def token(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Exchange a code, once, for who proves that it began the flow."""
        challenge, nonce = self.challenges.pop(form["code"][0])
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "1", "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": nonce,
            "email": self.email, "email_verified": True, **self.claims,
        }  # fmt: skip
        signed = jwt.encode(
            {"alg": self.algorithm, "kid": (self.signer or self.key).kid},
            claims,
            self.signer or self.key,
            algorithms=[self.algorithm],
        )
        return {"access_token": "opaque", "token_type": "Bearer", "id_token": signed}

    def documents(self) -> dict[str, Any]:
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
            },
            "/keys": {"keys": [self.key.as_dict(private=False)]},
        }


@contextmanager
def serving() -> Iterator[FakeProvider]:
    """The provider at an address of its own."""
    fake = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            found = fake.documents().get(self.path)
            self.answer(200 if found else 404, found or {})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            try:
                self.answer(200, fake.token(form))
            except (AssertionError, KeyError):
                self.answer(400, {"error": "invalid_grant"})

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.address = fake.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()
