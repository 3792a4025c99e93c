"""What surrounds every request: its number, the hosts that are served, limits of its body, its line in the log."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_monitoring.web.arrival import arriving
from llm_monitoring.web.problems import BY_STATUS, CODES, MEDIA_TYPE, Document

log = logging.getLogger(__name__)

MOST_BODY_BYTES: Final = 1_000_000
BODY_SECONDS: Final = 30.0  # within which a whole body has come
JSON_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
FILE_TYPES: Final = FORM_TYPES | {"multipart/form-data"}
FILE_PATHS: Final = frozenset({"/settings/agency"})
"""Where a form may have a file in it; no other parser of multipart is reached."""
PROGRAM_PATHS: Final = ("/api/", "/mcp")
MCP_PATH: Final = "/mcp"
GIVEN_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
DEFAULTS: Final[Mapping[str, str]] = {  # of an answer that says nothing else
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}


class TooLarge(HTTPException):
    """A body without a length turned out longer than is taken; the framework passes this kind on as it is."""

    def __init__(self) -> None:
        super().__init__(413)


class TooSlow(HTTPException):
    """A body did not come in time."""

    def __init__(self) -> None:
        super().__init__(408)


class Boundary:
    """An ASGI layer around the application; `hosts` are the names that it answers to, none: any."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = frozenset()) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = without_slash(scope)
        await Exchange(scope, receive, send).run(self.app, self.refusal(Headers(scope=scope), scope))

    def refusal(self, headers: Headers, scope: Scope) -> str | None:
        """The code of a request that is not passed on, or None. `/healthz` is asked by address, under any name."""
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if self.hosts and scope["path"] != "/healthz" and host.lower().strip("[]") not in self.hosts:
            return "bad_request"
        if "content-length" in headers and "transfer-encoding" in headers:
            return "bad_request"  # a proxy that counts the length sees other requests here than we do
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            return "too_large"
        has_body = length != "0" or "transfer-encoding" in headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return "unsupported_media_type" if has_body and kind not in kinds_at(scope["path"]) else None


def without_slash(scope: Scope) -> Scope:
    """The request without a slash at the end of its path; one that is part of a name (`%2F`) stays.

    The framework would redirect to an address with the scheme of its own connection: behind a proxy that ends TLS a
    program would send its token in the clear.
    """
    raw: bytes = scope["raw_path"]
    if not raw.endswith(b"/") or raw == b"/":
        return scope
    return {**scope, "path": scope["path"][:-1], "raw_path": raw[:-1]}


def kinds_at(path: str) -> frozenset[str]:
    """The types of bodies that are taken at a path."""
    if path.startswith(PROGRAM_PATHS):
        return JSON_TYPES
    return FILE_TYPES if path in FILE_PATHS else FORM_TYPES


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method = scope["method"]
        # HEAD is answered as GET is, without the body; the MCP server has its own methods
        self.is_head = self.method == "HEAD" and not scope["path"].startswith(MCP_PATH)
        self.scope = {**scope, "method": "GET"} if self.is_head else scope
        self.receive, self.send = receive, send
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        self.scope.setdefault("state", {}).update(request_id=self.id, is_head=self.is_head)
        self.began = time.monotonic()
        self.status = 0
        self.is_read = False
        self.is_whole = False
        self.read = 0

    async def run(self, app: ASGIApp, refusal: str | None) -> None:
        try:
            if refusal:
                await self.refuse(refusal)
            else:
                with arriving():
                    await app(self.scope, self.counted, self.sent)
        except (TooLarge, TooSlow) as exc:  # raised while a handler was not reading
            await self.refuse(BY_STATUS[exc.status_code])
        finally:
            self.log()

    async def counted(self) -> Message:
        """The next part of the body, which is short enough and comes in time; then the end of the connection."""
        if self.is_read:
            return await self.receive()
        with anyio.move_on_after(self.began + BODY_SECONDS - time.monotonic()) as patience:
            message = await self.receive()
        if patience.cancelled_caught:
            raise TooSlow
        self.is_read = not message.get("more_body", False)
        self.read += len(message.get("body", b""))
        if self.read > MOST_BODY_BYTES:
            raise TooLarge
        return message

    async def sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.id
            for name, text in DEFAULTS.items():
                headers.setdefault(name, text)
        is_part = message["type"] == "http.response.body" and message.get("more_body", False)
        if not (self.is_head and is_part):
            await self.send({**message, "body": b""} if self.is_head and "body" in message else message)
        self.is_whole = message["type"] == "http.response.body" and not is_part

    async def refuse(self, code: str) -> None:
        if self.status:
            return  # the answer has begun: the connection ends without the rest
        body = json.dumps(Document(code, "", "en", self.id).body()).encode()
        head: dict[str, Any] = {
            "type": "http.response.start",
            "status": CODES[code][0],
            "headers": [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")],
        }
        await self.sent(head)
        await self.sent({"type": "http.response.body", "body": body})

    def log(self) -> None:
        """One line a request: the path as declared and no query, no header and no body; `cut` if it was not whole."""
        route = getattr(self.scope.get("route"), "path", "-")
        if route == "/healthz":
            return
        fields = {
            "event": "web.request",
            "request_id": self.id,
            "method": self.method,
            "path": route,
            "status": self.status,
            "milliseconds": round(1000 * (time.monotonic() - self.began), 1),
            **({"cut": True} if self.status and not self.is_whole else {}),
        }
        log.info("🌐 %s %s %s", self.method, route, self.status, extra=fields)
