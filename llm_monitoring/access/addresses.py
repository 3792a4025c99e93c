"""The address that links of the web service begin with: from the settings, never from what a request says of itself."""

from __future__ import annotations

from ipaddress import ip_address

from llm_monitoring.settings import Settings


def public_address(settings: Settings, port: int | None = None) -> str | None:
    """Scheme and host of the service on `port` (PORT by default); None if the settings do not say.

    The first name of LLM_WEB_HOST, which is reached by https. Without one, and for a name of this machine itself, the
    service is for this machine alone and is reached by http.
    """
    own = settings.web_bind if is_loopback(settings.web_bind) else None
    host = settings.web_hosts[0] if settings.web_hosts else own
    if host is None:
        return None
    if not is_loopback(host):
        return f"https://{host}"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{settings.port if port is None else port}"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
