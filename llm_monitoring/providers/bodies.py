"""Reads a reply's whole body from the connection and decompresses it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Iterator
from io import SEEK_END
from typing import Any, BinaryIO, Final, cast

import httpx2

from llm_monitoring.providers.parsing import json_in

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_FILE_BYTES: Final = 1024 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
INPUT_BYTES: Final = 4 * 1024  # of compressed data at a time: what follows a member in it is read again
MOST_ENCODINGS: Final = 5  # of one body, as curl has it: each is a whole pass over it
FILL: Final = re.compile(rb"\0*")
ENCODINGS: Final = "gzip, deflate"  # requested, and the only ones that are read
GZIP: Final = 16 + zlib.MAX_WBITS
RAW_DEFLATE: Final = -zlib.MAX_WBITS
GZIP_MARK: Final = b"\x1f\x8b"
PLAIN: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{<]")  # how JSON and HTML begin


def whole_body(response: httpx2.Response) -> bytes:
    """Return the decompressed body; raises ReadError if it is too long, DecodingError if it is damaged.

    A connection that received more than this reply is closed: the extra bytes would answer the next request. A reply
    that breaks off after a whole JSON object is whole, because the object shows where it ends: its answer is paid.
    """
    received = bytearray()
    try:
        gather(cast(Iterator[bytes], response.stream), received)
        spoil_with_left_over(response)
    except httpx2.TransportError:
        if not holds_object(response, bytes(received)):
            raise
    finally:
        response.close()
    return content(response, bytes(received))


def content(response: httpx2.Response, raw: bytes) -> bytes:
    for encoding in encodings(response, raw):
        raw = decoded(encoding, raw)
    return raw


def holds_object(response: httpx2.Response, raw: bytes) -> bool:
    """Return whether what was received of a reply is a whole JSON object."""
    try:
        return len(raw) <= MAX_BODY_BYTES and isinstance(json_in(content(response, raw)), dict)
    except (httpx2.DecodingError, httpx2.ReadError, ValueError, RecursionError):
        return False


def write_body(response: httpx2.Response, file: BinaryIO) -> None:
    """Append the body to `file` piece by piece; raises as `whole_body` does, with what came before in the file."""
    start = file.seek(0, SEEK_END)
    try:
        for chunk in cast(Iterator[bytes], response.stream):
            file.write(chunk)
            if file.tell() - start > MAX_FILE_BYTES:
                raise httpx2.ReadError(f"the reply is longer than {MAX_FILE_BYTES} bytes")
        spoil_with_left_over(response)
    finally:
        response.close()
    file.seek(start)
    for encoding in encodings(response, file.read(len(GZIP_MARK))):  # not asked for; the content has to fit in memory
        file.seek(start)
        raw = decoded(encoding, file.read())
        file.seek(start)
        file.truncate()
        file.write(raw)


def gathered(chunks: Iterator[bytes]) -> bytes:
    body = bytearray()
    gather(chunks, body)
    return bytes(body)


def gather(chunks: Iterator[bytes], body: bytearray) -> None:
    """Add the chunks to `body`; raises ReadError if it becomes too long."""
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise httpx2.ReadError(f"the reply is longer than {MAX_BODY_BYTES} bytes")


def spoil_with_left_over(response: httpx2.Response) -> None:
    """Make the connection unusable for another request if it holds bytes after the reply."""
    # httpx2 has no public access to the protocol state; a test with a server that answers twice checks this.
    stream: Any = response.stream
    state = stream._httpcore_stream._stream._connection._h11_state  # noqa: SLF001
    left_over, _ = state.trailing_data
    if left_over:
        state.send_failed()


def encodings(response: httpx2.Response, raw: bytes) -> list[str]:
    """Return the encodings of a body in the order of their removal; raises DecodingError if they are too many.

    `raw`: at least its first bytes.
    """
    named = [each.strip().lower() for each in response.headers.get("content-encoding", "").split(",")]
    found = [name for name in reversed(named) if name not in ("", "identity")]
    if len(found) > MOST_ENCODINGS:
        raise httpx2.DecodingError(f"the reply has more than {MOST_ENCODINGS} content encodings")
    return found or (["gzip"] if raw.startswith(GZIP_MARK) else [])


def decoded(encoding: str, raw: bytes) -> bytes:
    """Return `raw` decompressed; raises DecodingError if it is damaged, cut or in an encoding not requested.

    Plain text stays as it is: some proxies decompress a body and keep its header, or name what is no compression.
    """
    try:
        return decompressed(encoding, raw)
    except httpx2.DecodingError:
        if PLAIN.match(raw):
            return raw
        raise


def decompressed(encoding: str, raw: bytes) -> bytes:
    if encoding in ("gzip", "x-gzip"):
        return gathered(members(raw, GZIP))
    if encoding == "deflate":
        return deflated(raw)
    raise httpx2.DecodingError(f"the reply has the content encoding {encoding[:20]!r}, which was not asked for")


def deflated(raw: bytes) -> bytes:
    """Return inflated data: with zlib's header as the standard says, or raw as some servers send it."""
    try:
        return gathered(members(raw, zlib.MAX_WBITS))
    except httpx2.DecodingError:
        return gathered(members(raw, RAW_DEFLATE))


def members(raw: bytes, window: int) -> Iterator[bytes]:
    """Yield the content of every member in order: a gzip file may hold several, and zeros that fill it up."""
    start = 0
    while start < len(raw):
        reader = zlib.decompressobj(window)
        try:
            end = yield from inflated(reader, raw, start)
        except zlib.error as exc:
            raise httpx2.DecodingError(str(exc)) from None
        if not reader.eof:
            raise httpx2.DecodingError("the compressed reply is cut")
        fill = FILL.match(raw, end)
        start = fill.end() if fill else end


def inflated(reader: Any, raw: bytes, start: int) -> Generator[bytes, None, int]:
    """Yield one member in bounded pieces, so that a small reply cannot exhaust the memory; return where it ends.

    It is read piece by piece as well: the rest of the reply would be copied for each of its members.
    """
    while start < len(raw) and not reader.eof:
        given = raw[start : start + INPUT_BYTES]
        start += len(given)
        while given and not reader.eof:
            yield reader.decompress(given, CHUNK_BYTES)
            given = reader.unconsumed_tail
    while not reader.eof and (piece := reader.decompress(b"", CHUNK_BYTES)):
        yield piece
    return start - len(reader.unused_data)
