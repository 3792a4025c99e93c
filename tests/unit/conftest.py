"""Property tests hold on a slow or busy machine: no time of an example or of its making is judged."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
