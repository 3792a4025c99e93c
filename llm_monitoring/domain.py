"""Values that every layer shares: providers' names, secrets, token usage, tasks."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, NoReturn, assert_never, get_args

from llm_monitoring.errors import Invalid

ProviderName = Literal["openai", "anthropic", "google", "perplexity"]
PROVIDERS: Final[tuple[ProviderName, ...]] = get_args(ProviderName)
# How a call is asked: at once; at once for half the price if the provider has room; or in a batch.
Mode = Literal["standard", "flex", "batch"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
# When a project's answers are due: at once; cheaper if they come within the run, what is late at the full price; or
# cheaper, and what is late with a later start.
Pace = Literal["prompt", "punctual", "patient"]
PACES: Final[tuple[Pace, ...]] = get_args(Pace)
# What a user gives up so that a month's budget lasts, in the order in which it is given up by default.
PacingStep = Literal["sentiment", "samples", "mode", "rotation", "providers"]
PACING_STEPS: Final[tuple[PacingStep, ...]] = get_args(PacingStep)
ADDRESS: Final = re.compile(r"[^@\s,;:<>()\[\]\"\\]{1,64}@[^@\s,;:<>()\[\]\"\\]{0,189}[^@\s,;:<>()\[\]\"\\.]")
LONGEST_CALL: Final = 2  # times a provider's timeout: the end of a call, also if single bytes keep arriving


@dataclass(frozen=True, slots=True)
class ProviderTraits:
    """How providers differ: the names of company and assistant, and how they search and list models.

    `caps_searches`: a request can cap its searches. `lists_without_key`: its list of models says nothing of a key.
    `modes`: the modes besides standard in which calls are made.
    """

    company: str
    assistant: str
    caps_searches: bool = False
    always_searches: bool = False
    lists_without_key: bool = False
    modes: tuple[Mode, ...] = ()


def traits(name: ProviderName) -> ProviderTraits:
    """Return a provider's traits; mypy refuses a provider that has none here."""
    match name:
        case "openai":
            return ProviderTraits("OpenAI", "ChatGPT", caps_searches=True, modes=("flex", "batch"))  # max_tool_calls
        case "anthropic":
            return ProviderTraits("Anthropic", "Claude", caps_searches=True, modes=("batch",))  # max_uses
        case "google":
            return ProviderTraits("Google", "Gemini", modes=("flex",))
        case "perplexity":
            return ProviderTraits("Perplexity", "Perplexity", always_searches=True, lists_without_key=True)
        case _:
            assert_never(name)


def provider_name(text: str) -> ProviderName:
    """Return `text` as a provider's name; raises Invalid that lists the known ones."""
    if text not in PROVIDERS:
        raise Invalid("provider", f"unknown provider {text!r}: choose one of {', '.join(PROVIDERS)}")
    return text


class Secret:
    """An API key in the clear; `reveal()` is the one way to its text, and its repr is `***`.

    It is no dataclass, so that `asdict` of a value that holds one keeps it closed, and it cannot be pickled.
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        return self._text

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a secret does not change")

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call consumed, as the provider billed it.

    `input_tokens` counts all input, cached reads and cache writes included; `output_tokens` all billed
    output, reasoning included; both count every iteration of the call. `cache_write_tokens` counts all
    writes, `cache_write_1h_tokens` those of them that are kept for an hour. `cost_usd` is the provider's
    own bill if it gives one (Perplexity), `fees_usd` what it takes for other tools than searches.
    `service_tier` is the tier as the reply names it, "" for the plain one; a tier without a price is charged
    the ceiling. `regional`: the reply names the region that the model ran in, for which the provider takes
    its regional premium.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    searches: int = 0
    cost_usd: Decimal | None = None
    fees_usd: Decimal = Decimal(0)
    service_tier: str = ""
    regional: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt for one provider on one day: the unit that is asked once and paid once."""

    user_id: int
    project_id: int
    query_id: int
    provider: ProviderName
    day: date
    sample: int
    prompt: str
    language: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to make the calls of one chunk of a run, until another owner gets it."""

    chunk_id: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class KeyId:
    """A key by its owner: a user (`user_id`), or the operator (None)."""

    provider: ProviderName
    user_id: int | None


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address alone, without what is often pasted with it: a name, `mailto:`, a comma."""
    return ADDRESS.fullmatch(text) is not None and text.isprintable()


def parse_usd(value: Decimal | float | str) -> Decimal:
    """`value` in USD, exactly as written; raises Invalid if it is no finite number."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation as exc:
        raise Invalid("amount", f"{value!r} is no amount in USD") from exc
    if not amount.is_finite() or abs(amount) >= 10**8:
        raise Invalid("amount", f"{value!r} is no amount in USD")
    return amount


def usd_places(amount: Decimal) -> int:
    """The decimals that people are shown of an amount in USD: cents from a dollar on, four below it."""
    return 4 if 0 < abs(amount) < 1 else 2


def usd_text(amount: Decimal) -> str:
    """An amount as `usd_places` says, with its dollar sign."""
    return f"${amount:.{usd_places(amount)}f}"


def read_task(row: Mapping[str, Any]) -> Task:
    """The task of a row; raises Invalid if its provider is unknown."""
    return Task(
        user_id=row["user_id"],
        project_id=row["project_id"],
        query_id=row["query_id"],
        provider=provider_name(row["task_provider"]),
        day=row["analysis_date"],
        sample=row["sample"],
        prompt=row["query_text"],
        language=row["language"] or "",
    )


def task_key(task: Task) -> dict[str, object]:
    """The task as parameters of a statement."""
    return {
        "project_id": task.project_id,
        "query_id": task.query_id,
        "provider": task.provider,
        "day": task.day,
        "sample": task.sample,
    }
