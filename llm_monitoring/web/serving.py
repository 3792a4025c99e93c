"""Serves the application with uvicorn: one process, as many threads as connections."""

from __future__ import annotations

import logging
from typing import Final

import uvicorn

from llm_monitoring.settings import Settings
from llm_monitoring.web.context import open_service
from llm_monitoring.web.service import bounded

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 20


def serve(settings: Settings, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests that are open and end."""
    with open_service(settings) as service:
        server = uvicorn.Server(
            uvicorn.Config(
                bounded(service),
                host=settings.web_bind,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=settings.on_railway,
                forwarded_allow_ips="*" if settings.on_railway else None,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                limit_concurrency=200,
            )
        )
        log.info(
            "🌐 http://%s:%s/api/openapi.json", settings.web_bind, port, extra={"event": "web.started", "port": port}
        )
        server.run()
