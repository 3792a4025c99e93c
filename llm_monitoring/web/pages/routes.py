"""The pages of the service: each builder of pages adds a router."""

from __future__ import annotations

from typing import Final

from llm_monitoring.web.pages import static_files

ROUTERS: Final = (static_files.router,)
