"""The pages of the service: each builder of pages adds a router."""

from __future__ import annotations

from typing import Final

from llm_monitoring.web.pages import sign_in, static_files

ROUTERS: Final = (static_files.router, sign_in.router)
