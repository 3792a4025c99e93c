"""A loopback target of the digest."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "T0kenOfTheWebhook-31415926535"


@dataclass
class Webhook:
    """A loopback server that keeps what is posted, answers with `status`, and counts calls of the heartbeat."""

    posts: list[dict[str, Any]] = field(default_factory=list)
    beats: int = 0
    status: int = 200
    port: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def heartbeat(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping"


@contextmanager
def open_webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def do_GET(self) -> None:
            hook.beats += 1
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield hook
        server.shutdown()
