"""Reads a reply's whole body from the connection and decompresses it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from io import SEEK_END
from typing import Any, BinaryIO, Final, cast

import httpx2

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_FILE_BYTES: Final = 1024 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
ENCODINGS: Final = "gzip, deflate"  # requested, and the only ones that are read
GZIP: Final = 16 + zlib.MAX_WBITS
RAW_DEFLATE: Final = -zlib.MAX_WBITS
GZIP_MARK: Final = b"\x1f\x8b"
PLAIN: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{<]")  # how JSON and HTML begin


def whole_body(response: httpx2.Response) -> bytes:
    """Return the decompressed body; raises ReadError if it is too long, DecodingError if it is damaged.

    A connection that received more than this reply is closed: the extra bytes would answer the next request.
    """
    try:
        raw = gathered(cast(Iterator[bytes], response.stream))
        spoil_with_left_over(response)
    finally:
        response.close()
    for encoding in encodings(response, raw):
        raw = decoded(encoding, raw)
    return raw


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
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise httpx2.ReadError(f"the reply is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def spoil_with_left_over(response: httpx2.Response) -> None:
    """Make the connection unusable for another request if it holds bytes after the reply."""
    # httpx2 has no public access to the protocol state; a test with a server that answers twice checks this.
    stream: Any = response.stream
    state = stream._httpcore_stream._stream._connection._h11_state  # noqa: SLF001
    left_over, _ = state.trailing_data
    if left_over:
        state.send_failed()


def encodings(response: httpx2.Response, raw: bytes) -> list[str]:
    """Return the encodings of a body in the order of their removal; `raw`: at least its first bytes."""
    named = [each.strip().lower() for each in response.headers.get("content-encoding", "").split(",")]
    found = [name for name in reversed(named) if name not in ("", "identity")]
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
    while raw:
        reader = zlib.decompressobj(window)
        try:
            yield from inflated(reader, raw)
        except zlib.error as exc:
            raise httpx2.DecodingError(str(exc)) from None
        if not reader.eof:
            raise httpx2.DecodingError("the compressed reply is cut")
        raw = reader.unused_data.lstrip(b"\0")


def inflated(reader: Any, raw: bytes) -> Iterator[bytes]:
    """Yield one member in bounded pieces, so that a small reply cannot exhaust the memory."""
    while not reader.eof:
        piece = reader.decompress(raw, CHUNK_BYTES)
        raw = reader.unconsumed_tail
        if piece:
            yield piece
        elif not raw:
            return
