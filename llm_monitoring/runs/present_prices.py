"""The prices of models during a run, which may last for hours: an admin or the host may enter others meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from llm_monitoring import registry
from llm_monitoring.db import Database
from llm_monitoring.domain import ProviderName
from llm_monitoring.registry import Model, NotCallable

SECONDS: Final = 60.0  # after which a model's prices are read again


@dataclass(slots=True)
class PresentPrices:
    """Reads prices from the registry, each model's once a minute. Safe to share between threads."""

    db: Database
    clock: Callable[[], float] = time.monotonic
    models: dict[tuple[ProviderName, str], tuple[float, Model]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def of(self, model: Model) -> Model:
        """The model at its prices of now; raises NotCallable if they cannot be read."""
        name = model.provider, model.model_id
        with self.lock:
            now = self.clock()
            read_at, present = self.models.get(name, (now - SECONDS, model))
            if now - read_at >= SECONDS:
                present = self.read(model)
                self.models[name] = now, present
        return replace(model, prices=present.prices)

    def read(self, model: Model) -> Model:
        found = registry.find_model(self.db, model.provider, model.model_id)
        if found is None:
            raise NotCallable(f"{model.provider}/{model.model_id} is not in llm_model_registry any more")
        return found
