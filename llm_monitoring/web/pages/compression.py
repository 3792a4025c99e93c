"""Sends text compressed to browsers that take it.

A page holds no secret that a guess could be compressed with: sessions are in cookies, and forms have no tokens.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response

LEVEL: Final = 6
LEAST_BYTES: Final = 1000


def compressed(request: Request, content: bytes, headers: Mapping[str, str], media_type: str) -> Response:
    """A response with this content, compressed if the browser takes gzip and it is worth it."""
    varied = {**headers, "Vary": ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))}
    if len(content) < LEAST_BYTES or not takes_gzip(request):
        return Response(content, headers=varied, media_type=media_type)
    packed = gzip.compress(content, LEVEL, mtime=0)
    return Response(packed, headers={**varied, "Content-Encoding": "gzip"}, media_type=media_type)


def takes_gzip(request: Request) -> bool:
    """Whether the browser accepts gzip; `gzip;q=0` says that it does not."""
    accepted = [part.replace(" ", "") for part in request.headers.get("accept-encoding", "").lower().split(",")]
    return any(part.partition(";")[0] == "gzip" and not part.endswith((";q=0", ";q=0.0")) for part in accepted)
