"""The HTTP connection of a provider: one request a call, one deadline, one key, and the reply as received.

An SDK may retry, follow redirects, read keys from the environment, or fail on a reply that is already billed. Each
of these costs money that no reservation covers. Therefore an SDK only builds the request, for a question even only the
first of its kind (`written_requests`): our transport refuses a second request in a call, any other address and any
other header, and reads the whole reply before the SDK sees it. The caller gets that reply, also if the SDK raises on
it. The deadline applies to each socket operation, because the
timeouts of httpx2 start again with every byte, and a slow reply would never end. A long request, which moves a whole
batch, also ends soon after the process was asked to stop: its operations look for that while they wait.
"""

from __future__ import annotations

import logging
import math
import select
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from typing import Any, BinaryIO, Final, TypeVar

import httpcore2
import httpx2

from llm_monitoring.domain import LONGEST_CALL, Mode, ProviderName, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.providers import bodies, http_errors
from llm_monitoring.providers.base import BadRequest, ProviderUnavailable, Question, Reply
from llm_monitoring.providers.written_requests import NotSent, WrittenRequests

CONNECT_SECONDS: Final = 10.0
STOPPED_SECONDS: Final = 20.0  # after a stop, in which a request that looks for it has ended
SLICE_SECONDS: Final = 0.5  # after which a socket operation that waits looks for a stop
LEAST_SECONDS: Final = 0.001  # of a socket operation: 0 would not wait at all
PIECE_BYTES: Final = 16 * 1024  # which a socket takes at once if it takes any
MAX_CONNECTIONS: Final = 256
T = TypeVar("T")
# Gateways on Node or uvicorn close a connection that is idle for 5 seconds. A request that meets the close on its way
# gets no reply, and is charged its ceiling.
IDLE_SECONDS: Final = 4.0
LIMITS: Final = httpx2.Limits(
    max_connections=MAX_CONNECTIONS, max_keepalive_connections=128, keepalive_expiry=IDLE_SECONDS
)

# The headers that an SDK may send. All others, such as an organisation or a custom header from the environment, are
# dropped, because they could bill another account; the key's own headers are added.
PASSED_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent"}
    | {"transfer-encoding", "x-goog-api-client", "x-server-timeout"}
)
ENCODING_HEADERS: Final = frozenset({"content-encoding", "transfer-encoding"})

# When one of these is raised, no byte of the request has been sent.
BEFORE_SENDING: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


@dataclass(slots=True)
class Exchange:
    """The requests and the reply of one call. `written`: where its request is put instead of being sent.

    `stop`: ends the call within STOPPED_SECONDS once it is set.
    """

    deadline: float
    mode: Mode = "standard"
    written: list[httpx2.Request] | None = None
    requests: int = 0
    latency_ms: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str | None = None
    sent: bool = False
    file: BinaryIO | None = None
    stop: Event | None = None
    is_stopping: bool = False

    def look_for_stop(self) -> None:
        if self.stop is not None and self.stop.is_set() and not self.is_stopping:
            self.is_stopping = True
            self.deadline = min(self.deadline, time.monotonic() + STOPPED_SECONDS)


CURRENT: ContextVar[Exchange] = ContextVar("current_exchange")


def seconds_left(timeout: float | None, error: type[Exception]) -> float:
    """Return how long one socket operation may take; raises `error` if the call's total time is over."""
    CURRENT.get().look_for_stop()
    remaining = CURRENT.get().deadline - time.monotonic()
    if remaining <= 0:
        raise error("the call's total time is over")
    return remaining if timeout is None else min(timeout, remaining)


def in_slices(operation: Callable[[float], T], timeout: float | None, error: type[Exception]) -> T:
    """Run a socket operation that takes its longest time; of a call with a `stop` in slices, to look for it between."""
    until = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = seconds_left(until - time.monotonic(), error)
        if CURRENT.get().stop is None or left <= SLICE_SECONDS:
            return operation(max(left, LEAST_SECONDS))
        try:
            return operation(SLICE_SECONDS)
        except error:
            continue


class DeadlineStream(httpcore2.NetworkStream):
    """A socket with the deadline of its call."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self.stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return in_slices(lambda seconds: self.stream.read(max_bytes, seconds), timeout, httpcore2.ReadTimeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if CURRENT.get().stop is None:
            self.stream.write(buffer, seconds_left(timeout, httpcore2.WriteTimeout))
            return
        for start in range(0, len(buffer), PIECE_BYTES):
            in_slices(self.wait_for_room, timeout, httpcore2.WriteTimeout)
            piece = buffer[start : start + PIECE_BYTES]
            self.stream.write(piece, seconds_left(timeout, httpcore2.WriteTimeout))

    def wait_for_room(self, seconds: float) -> None:
        """Wait until the socket takes a piece; raises WriteTimeout."""
        poll = select.poll()
        poll.register(self.stream.get_extra_info("socket"), select.POLLOUT)
        if not poll.poll(1000 * seconds):
            raise httpcore2.WriteTimeout("the socket takes no more")

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = seconds_left(timeout, httpcore2.ConnectTimeout)
        return DeadlineStream(self.stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)

    def close(self) -> None:
        self.stream.close()


class DeadlineBackend(httpcore2.NetworkBackend):
    """Opens sockets with the deadline of their call."""

    def __init__(self) -> None:
        self.backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        left = seconds_left(timeout, httpcore2.ConnectTimeout)
        return DeadlineStream(self.backend.connect_tcp(host, port, left, local_address, socket_options))


class Transport(httpx2.HTTPTransport):
    """Sends the one request of the current call and keeps its reply."""

    def __init__(self, base_url: httpx2.URL, key: Secret, headers: Mapping[str, str], timeout: httpx2.Timeout) -> None:
        super().__init__(verify=certificates(), limits=LIMITS, proxy=proxy_for(base_url))
        # httpx2 has no public access to its pool's sockets; a test with a slow server checks this.
        self._pool._network_backend = DeadlineBackend()  # noqa: SLF001
        self.prefix = str(base_url).rstrip("/") + "/"
        self.key = key
        self.fixed_headers = headers
        self.timeout = timeout

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = CURRENT.get()
        self.guard(request, exchange)
        if exchange.written is not None:
            exchange.written.append(request)
            raise NotSent("the request is written, and not sent")
        self.perform(request, exchange)
        assert exchange.status is not None
        return httpx2.Response(exchange.status, headers=exchange.headers, content=exchange.body)

    def perform(self, request: httpx2.Request, exchange: Exchange) -> None:
        """Send a request that `guard` has allowed, and keep its reply."""
        exchange.requests += 1
        started = time.perf_counter()
        try:
            response = super().handle_request(request)
            body = self.read_body(response, exchange)
        except httpx2.HTTPError as exc:
            exchange.fault = f"{type(exc).__name__}: {exc}"
            exchange.sent = not isinstance(exc, BEFORE_SENDING)
            raise
        finally:
            exchange.latency_ms = round((time.perf_counter() - started) * 1000)
        plain = {k: http_errors.one_line(v, self.key) for k, v in response.headers.items() if k not in ENCODING_HEADERS}
        exchange.status, exchange.headers, exchange.body = response.status_code, plain, body

    def read_body(self, response: httpx2.Response, exchange: Exchange) -> bytes:
        """Return the whole body without the key; that of a download goes to its file, and b"" is returned."""
        if exchange.file is None or not response.is_success:
            return http_errors.without_key(bodies.whole_body(response), self.key)
        bodies.write_body(response, exchange.file)
        return b""

    def guard(self, request: httpx2.Request, exchange: Exchange) -> None:
        """Allow one request a call, to this provider's address, with this key."""
        if exchange.requests:
            raise httpx2.RequestError("one call makes one request; the SDK's further one was stopped")
        if not str(request.url).startswith(self.prefix):
            exchange.fault = f"the SDK turned to {request.url.host} instead of {self.prefix}"
            raise httpx2.UnsupportedProtocol(exchange.fault)
        sent = request.headers.items()
        kept = {k: v for k, v in sent if k in PASSED_HEADERS or k.startswith("x-stainless-")}
        kept["accept-encoding"] = bodies.ENCODINGS if exchange.file is None else "identity"
        kept["host"] = request.url.netloc.decode("ascii")
        request.headers = httpx2.Headers({**kept, **self.fixed_headers})
        request.extensions = {**request.extensions, "timeout": self.timeout.as_dict()}


@cache
def certificates() -> ssl.SSLContext:
    """Return the machine's trusted certificates, read once because reading is the slowest part of opening.

    Raises ConfigurationError if SSL_CERT_FILE or SSL_CERT_DIR name something else.
    """
    try:
        return httpx2.create_ssl_context()
    except OSError as exc:  # also ssl.SSLError
        raise ConfigurationError(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {exc.strerror or type(exc).__name__}",
            code="certificates_unreadable",
        ) from exc


def proxy_for(base_url: httpx2.URL) -> httpx2.Proxy | None:
    """Return the proxy for `base_url` from HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    It is None for plain http, which is only allowed for gateways on this machine: a proxy would read the key.
    Raises ConfigurationError, without the address, if it is not an HTTP proxy.
    """
    if base_url.scheme != "https":
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named or urllib.request.proxy_bypass(base_url.netloc.decode("ascii")):
        return None
    try:
        proxy = httpx2.Proxy(named if "://" in named else f"http://{named}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https"):
        raise ConfigurationError(
            "HTTPS_PROXY or ALL_PROXY cannot be used: it must be http://host:port or https://host:port"
        )
    return proxy


class NoHeaders(logging.Filter):
    """Drops the HTTP library's log lines with headers of a reply, which may echo the key."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "response_headers" not in record.getMessage()


for _name in ("httpcore2.http11", "httpcore2.http2", "httpcore2.proxy"):
    logging.getLogger(_name).addFilter(NoHeaders())


class HttpTransport:
    """The HTTP client that an SDK receives; threads may share it, and `close()` ends it."""

    def __init__(
        self,
        name: ProviderName,
        key: Secret,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        total_seconds: float | None,
        stop: Event | None = None,
    ) -> None:
        """Open a client. `headers` hold the key.

        A call ends after `timeout_seconds` without a byte, and at the latest after `total_seconds`, which is twice
        as long by default; and soon after `stop` is set.
        """
        http_errors.check_key(name, key)
        self.name = name
        self.key = key
        self.total_seconds = total_seconds or LONGEST_CALL * timeout_seconds
        self.stop = stop
        self.timeout = httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
        self.transport = Transport(httpx2.URL(base_url), key, headers, self.timeout)
        self.http = httpx2.Client(
            transport=self.transport, timeout=self.timeout, follow_redirects=False, trust_env=False
        )
        self.requests = WrittenRequests(self.record)

    def ask(self, question: Question, write: Callable[[Question], object]) -> Reply:
        """Send a question and return its whole 2xx reply; raises ProviderError.

        `write` has the SDK ask a question. It is called for the first question of a kind, and sends nothing.
        """
        request = self.requests.of(question, write)
        return self.exchange(lambda: self.transport.perform(request, CURRENT.get()), question.mode)

    def record(self, call: Callable[[], object]) -> httpx2.Request:
        """The request that an SDK call would send; raises ProviderError if it makes none."""
        exchange = Exchange(deadline=time.monotonic() + self.total_seconds, written=[])
        complaint = self.complaint_of(call, exchange)
        if not exchange.written:
            self.outcome(exchange, complaint)
        assert exchange.written
        return exchange.written[0]

    def exchange(self, call: Callable[[], object], mode: Mode = "standard", *, file: BinaryIO | None = None) -> Reply:
        """Run one SDK call that makes one request and return its whole 2xx reply; raises ProviderError.

        `mode`: that of the question. `file` receives the body of a 2xx reply instead, unbounded by memory, with the
        key if the provider echoes it; after an error it holds what came before. The reply on the connection decides,
        not the SDK's result. The SDK's exception is not chained, because it holds the request, and the request holds
        the key.
        """
        exchange = Exchange(deadline=time.monotonic() + self.total_seconds, mode=mode, file=file, stop=self.stop)
        return self.outcome(exchange, self.complaint_of(call, exchange))

    def complaint_of(self, call: Callable[[], object], exchange: Exchange) -> str:
        """Run a call as this exchange; return what it raised, as text."""
        token = CURRENT.set(exchange)
        try:
            call()
        except Exception as exc:  # noqa: BLE001 - an SDK may raise any type, such as RecursionError
            return f"{type(exc).__name__}: {exc}"
        finally:
            CURRENT.reset(token)
        return ""

    def outcome(self, exchange: Exchange, complaint: str) -> Reply:
        if exchange.status is not None:
            reply = http_errors.HttpReply(exchange.status, exchange.headers, exchange.body, exchange.latency_ms)
            return http_errors.reply_from(self.name, self.key, reply, exchange.mode)
        if exchange.fault:
            text = http_errors.one_line(f"{self.name}: no reply: {exchange.fault}", self.key)
            raise ProviderUnavailable(text, billed="maybe" if exchange.sent else "no")
        text = http_errors.one_line(f"{self.name}: the SDK refused the call: {complaint}", self.key)
        raise BadRequest(text, billed="maybe" if exchange.requests else "no")

    def close(self) -> None:
        self.http.close()
