"""The cookies of sessions and share links: for this host alone, out of reach of scripts, never sent over plain http.

Only a service for this machine itself, as the demo is, is reached by http. Some programs send it no secure cookie, so
its cookies are plain ones, and a request that came through a proxy begins nothing: `LLM_WEB_HOST` is missing then.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response
from starlette.requests import cookie_parser

from llm_monitoring.access.addresses import is_loopback
from llm_monitoring.web.problems import Problem

SESSION: Final = "llm_session"
SHARE: Final = "llm_share_"  # with a project's number
FROZEN: Final = "llm_frozen_"  # with a link's number
PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")


def is_secure(request: Request) -> bool:
    """Whether the service is reached by https; raises Problem if its settings do not say how it is reached."""
    address = request.app.state.service.address
    if address is None:
        raise Problem("no_address")
    return str(address).startswith("https://")


def require_reachable(request: Request) -> bool:
    """Raise Problem if a cookie would travel over plain http; return whether it is one for https."""
    secure = is_secure(request)
    if not secure and not is_direct(request):
        raise Problem("no_address")
    return secure


def read(request: Request, name: str) -> str:
    """The text of a cookie of ours, empty if there is none; one that another host could have set does not count.

    The name is compared as it came. The framework takes away every kind of space around it, also those that are a part
    of the name for a browser: under such a name another host of the domain may set a cookie that looks like ours.
    """
    if request.app.state.service.address is None:
        return ""
    wanted = full_name(name, secure=is_secure(request))
    pairs = (each.strip(" \t").partition("=") for line in request.headers.getlist("cookie") for each in line.split(";"))
    return next((cookie_parser(f"text={text}")["text"] for given, _, text in pairs if given == wanted), "")


def put(request: Request, response: Response, name: str, text: str, seconds: int) -> None:
    """Set a cookie; raises Problem if it would travel over plain http."""
    secure = require_reachable(request)
    response.set_cookie(
        full_name(name, secure=secure), text, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )


def remove(request: Request, response: Response, name: str) -> None:
    """Remove a cookie."""
    secure = is_secure(request)
    response.delete_cookie(full_name(name, secure=secure), path="/", secure=secure, httponly=True, samesite="lax")


def full_name(name: str, *, secure: bool) -> str:
    # browsers take a cookie of this prefix only from https, for the whole host and no other
    return f"__Host-{name}" if secure else name


def is_direct(request: Request) -> bool:
    """Whether a request came to this machine itself and through no proxy, as far as it says."""
    host = request.url.hostname or ""
    return is_loopback(host) and not any(name in request.headers for name in PROXY_HEADERS)
