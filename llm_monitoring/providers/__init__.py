"""The face of the providers: opens one with a key, or reads a stored reply."""

from __future__ import annotations

import gc
import sys
from collections.abc import Container
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from threading import Event
from types import ModuleType
from typing import Final, assert_never, cast

from llm_monitoring.domain import PROVIDERS, Mode, ProviderName, Secret, Usage, traits
from llm_monitoring.providers.base import (
    Answer,
    AuthFailed,
    BadRequest,
    BadResponse,
    Billed,
    Citation,
    ModelInfo,
    ModelNotFound,
    Provider,
    ProviderError,
    ProviderUnavailable,
    Question,
    QuotaExhausted,
    RateLimited,
    Refusal,
    Refused,
    Reply,
    Shed,
    instruction,
)
from llm_monitoring.providers.batches import (
    BatchClient,
    BatchLine,
    BatchMissing,
    BatchRequest,
    RemoteBatch,
    missing_outcome,
)

__all__ = [
    "Answer",
    "AuthFailed",
    "BadRequest",
    "BadResponse",
    "BatchClient",
    "BatchLine",
    "BatchMissing",
    "BatchRequest",
    "Billed",
    "Citation",
    "ModelInfo",
    "ModelNotFound",
    "Provider",
    "ProviderError",
    "ProviderUnavailable",
    "Question",
    "QuotaExhausted",
    "RateLimited",
    "Refusal",
    "Refused",
    "RemoteBatch",
    "Reply",
    "Shed",
    "Usage",
    "asks_in",
    "instruction",
    "load_order",
    "load_sdk",
    "missing_outcome",
    "open_batches",
    "open_provider",
    "read_batch_line",
    "read_reply",
]


@dataclass(frozen=True, slots=True)
class Module:
    """Names the code of a provider: the file with its class, and the file with `read`, which needs no SDK.

    `sdk`: the SDK's package, which is slow to import; None if the provider has none. `batches`: the file and the class
    of its batch calls, None if we make none; that file has `read_line`, and needs no SDK either.
    """

    file: str
    class_name: str
    reader: str
    sdk: str | None
    batches: tuple[str, str] | None = None

    @property
    def path(self) -> str:
        return f"llm_monitoring.providers.{self.file}"


def module_of(name: ProviderName) -> Module:
    """Return the code of a provider; mypy rejects a provider without a case here."""
    match name:
        case "openai":
            return Module("openai", "OpenAIProvider", "openai", "openai", ("openai_batches", "OpenAIBatches"))
        case "anthropic":
            return Module(
                "anthropic", "AnthropicProvider", "anthropic", "anthropic", ("anthropic_batches", "AnthropicBatches")
            )
        case "google" if not has_google_genai():
            return Module("google_legacy", "GoogleLegacyProvider", "google_wire", sdk=None)
        case "google":
            return Module("google", "GoogleProvider", "google_wire", sdk="google.genai")
        case "perplexity":
            return Module("perplexity", "PerplexityProvider", "perplexity", sdk="openai")
        case _:
            assert_never(name)


QUICKEST_SDKS: Final = ("openai", "google.genai", "anthropic")  # by the time of their import; any other comes last


def open_provider(
    name: ProviderName,
    key: Secret,
    *,
    base_url: str | None,
    timeout_seconds: float,
    total_seconds: float | None = None,
) -> Provider:
    """Import the SDK and return the provider `name` with `key`; raises AuthFailed if the key cannot be sent.

    `base_url` None is the provider's own address. A call ends after `timeout_seconds` without a byte, and at the
    latest after `total_seconds`, which is twice as long by default.
    """
    module = module_of(name)
    provider = getattr(import_module(module.path), module.class_name)
    opened = provider(key, base_url=base_url, timeout_seconds=timeout_seconds, total_seconds=total_seconds)
    return cast(Provider, opened)


def open_batches(
    name: ProviderName,
    key: Secret,
    *,
    base_url: str | None,
    timeout_seconds: float,
    total_seconds: float | None = None,
    stop: Event | None = None,
) -> BatchClient:
    """Return the batch calls of a provider with `key`, as `open_provider` does; raises BadRequest if there are none.

    A request that is on its way when `stop` is set ends some seconds later.
    """
    module, class_name = batches_of(name)
    opened = getattr(module, class_name)(
        key, base_url=base_url, timeout_seconds=timeout_seconds, total_seconds=total_seconds, stop=stop
    )
    return cast(BatchClient, opened)


def batches_of(name: ProviderName) -> tuple[ModuleType, str]:
    """Return the module of a provider's batch calls and the name of its class; raises BadRequest if there are none."""
    named = module_of(name).batches
    if named is None:
        raise BadRequest(f"{name}: a call cannot be made in the mode batch", billed="no")
    return import_module(f"llm_monitoring.providers.{named[0]}"), named[1]


def load_order(names: Container[ProviderName]) -> list[ProviderName]:
    """Return the providers in the order of loading: those without an SDK first, then the quickest import."""

    def rank(name: ProviderName) -> int:
        sdk = module_of(name).sdk
        if sdk is None:
            return -1
        return QUICKEST_SDKS.index(sdk) if sdk in QUICKEST_SDKS else len(QUICKEST_SDKS)

    return sorted((name for name in PROVIDERS if name in names), key=rank)


def load_sdk(name: ProviderName) -> None:
    """Import a provider's SDK, which takes half a second or more, and our code for it; read the certificates.

    An import error is raised again when the provider is opened. Raises ConfigurationError if the machine's trusted
    certificates cannot be read, without which no provider can be called.
    """
    module = module_of(name)
    needed = [path for path in (module.sdk, module.path) if path is not None and path not in sys.modules]
    if needed:
        gc.disable()  # collecting among the thousands of classes that stay takes a quarter of the import's time
        try:
            for path in needed:
                import_module(path)
        finally:
            gc.freeze()
            gc.enable()
    import_module("llm_monitoring.providers.transport").certificates()


def asks_in(name: ProviderName, mode: Mode) -> bool:
    """Whether a provider's calls can be made in a mode, with the SDK that is installed."""
    if mode == "standard":
        return True
    return mode in traits(name).modes and module_of(name).file != "google_legacy"


def has_google_genai() -> bool:
    return find_spec("google") is not None and find_spec("google.genai") is not None


def read_reply(name: ProviderName, reply: Reply) -> Answer:
    """Read a reply without key, network or SDK; raises Refused or BadResponse if it holds no answer."""
    return cast(Answer, import_module(f"llm_monitoring.providers.{module_of(name).reader}").read(reply))


def read_batch_line(name: ProviderName, raw: bytes) -> BatchLine:
    """Read a stored line of a batch's results without key, network or SDK; its reply is for `read_reply`."""
    module, _ = batches_of(name)
    return cast(BatchLine, module.read_line(raw))
