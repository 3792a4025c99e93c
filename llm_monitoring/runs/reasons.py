"""Why a run, a project or a task has no answer: codes with their facts, and what they say in each language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from llm_monitoring.ledger.accounts import Standing
from llm_monitoring.runs.limits import ClosedReason

Language = Literal["es", "en"]

StopReason = Literal[
    "signal", "deadline", "taken_over", "chunk_failed", "ended_in_error", "process_ended", "no_budget", "no_keys"
]
"""Why a run ended before everything was asked; the table of runs keeps the code."""

ProblemCode = Literal[
    "unreadable", "no_user", "blocked", "no_provider", "key_unreadable", "keyless", "no_answer"
]  # fmt: skip

STOPS: Final[dict[StopReason, dict[Language, str]]] = {
    "signal": {"es": "señal de parada", "en": "it was asked to stop"},
    "deadline": {"es": "plazo de ejecución agotado", "en": "its deadline (LLM_RUN_DEADLINE_MINUTES) was reached"},
    "taken_over": {"es": "otra ejecución tomó el relevo", "en": "another run took over"},
    "chunk_failed": {"es": "un tramo acabó con varios trabajadores", "en": "a chunk ended several workers"},
    "ended_in_error": {"es": "terminó con un error", "en": "it ended in an error"},
    "no_budget": {"es": "ningún usuario tiene presupuesto", "en": "no user has budget left"},
    "no_keys": {"es": "no hay ninguna API key utilizable", "en": "there is no usable API key"},
    "process_ended": {"es": "su proceso terminó antes", "en": "its process ended before the run did"},
}

PROBLEMS: Final[dict[ProblemCode, dict[Language, str]]] = {
    "unreadable": {
        "es": "la definición del proyecto no es válida: {detail}",
        "en": "its row cannot be read: {detail}",
    },
    "no_user": {
        "es": "el proyecto no tiene usuario que lo pague; asígnele uno",
        "en": "it has no user who pays for it",
    },
    "blocked": {
        "es": "bloqueado, presupuesto mensual agotado: {standing}",
        "en": "blocked, the monthly budget is used up: {standing}; see `budget show`",
    },
    "no_provider": {
        "es": "no tiene ningún asistente activado; elíjalos con "
        "`python -m llm_monitoring projects edit {project_id} --provider …`",
        "en": "no provider is chosen: `projects edit {project_id} --provider …`",
    },
    "key_unreadable": {
        "es": "ninguna API key de User #{user_id} se puede leer; véase `python -m llm_monitoring keys list`",
        "en": "no API key of user {user_id} can be read: {detail}",
    },
    "keyless": {
        "es": "User #{user_id} no tiene API keys para {providers}; guárdelas con `python -m llm_monitoring keys set`",
        "en": "user {user_id} has no API key for {providers}: `keys set`",
    },
    "no_answer": {"es": "sin ninguna respuesta válida", "en": "not one valid answer"},
}

CLOSED: Final[dict[ClosedReason, dict[Language, str]]] = {
    "key_refused": {"es": "{provider} rechaza la API key", "en": "{provider} refuses the API key"},
    "account_refused": {
        "es": "{provider} rechaza la cuenta de la API key: saldo, límite de gasto o país",
        "en": "{provider} refuses the key's account: balance, spending limit or country",
    },
    "daily_quota": {
        "es": "la cuota diaria de la API key de {provider} está agotada",
        "en": "the daily quota of the {provider} key is used up",
    },
    "model_missing": {
        "es": "{provider} no ofrece este modelo a la API key",
        "en": "{provider} does not offer this model to the key",
    },
    "rate_limited": {
        "es": "{provider} rechaza todas las llamadas de la API key por exceso",
        "en": "{provider} refuses every call of the key for its rate",
    },
    "long_wait": {
        "es": "{provider} pide esperar más de lo que dura la ejecución",
        "en": "{provider} asks for a longer wait than the run lasts",
    },
    "provider_failing": {"es": "{provider} falla en todas las llamadas", "en": "{provider} fails on every call"},
    "key_unreadable": {
        "es": "la API key de {provider} no se puede usar",
        "en": "the {provider} key cannot be used",
    },
}

TASKS: Final[dict[str, dict[Language, str]]] = {
    "budget": {
        "es": "la siguiente llamada no cabe en lo que queda del presupuesto del mes",
        "en": "the next call does not fit into what is left of the monthly budget",
    },
    "operator_budget": {
        "es": "la siguiente llamada no cabe en LLM_OPERATOR_MONTHLY_BUDGET_USD",
        "en": "the next call does not fit into LLM_OPERATOR_MONTHLY_BUDGET_USD",
    },
    "lock": {
        "es": "otra aplicación retiene la cuenta del usuario",
        "en": "another application holds the user's account",
    },
    "account_held": {
        "es": "otra aplicación retiene la cuenta del usuario",
        "en": "another application holds the user's account",
    },
    "budget_reserved": {
        "es": "otras llamadas abiertas reservan lo que queda del presupuesto",
        "en": "other open calls reserve what is left of the budget",
    },
    "withdrawn": {"es": "otra ejecución tomó el relevo", "en": "another run took over"},
    "key_unreadable": {"es": "la API key no se puede leer", "en": "the API key cannot be read"},
    "key_closed": {"es": "el proveedor rechaza la API key", "en": "the provider refuses the API key"},
    "provider_closed": {"es": "el proveedor falla en todas las llamadas", "en": "the provider fails on every call"},
    "not_callable": {
        "es": "el modelo no se puede llamar: véase `python -m llm_monitoring models list`",
        "en": "the model cannot be called",
    },
    "unsettled": {"es": "la llamada no se pudo liquidar", "en": "the call could not be settled"},
    "error": {"es": "error interno", "en": "internal error"},
    "crashed": {"es": "fallo inesperado", "en": "unexpected error"},
}
"""The reasons of our own; for the others the provider's words are the message."""

IN_ENGLISH: Final = frozenset({"key_unreadable", "not_callable", "unsettled", "error", "crashed"})
"""Reasons that keep an English message of their own, which adds to the sentence."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a provider's tasks have no answer: the reason's code and the message that was stored with it."""

    provider: str
    reason: str | None
    message: str | None

    def text(self, language: Language) -> str:
        """The cause in a language; a provider's own words stay as they are."""
        if self.reason not in TASKS:
            return self.message or ""
        if self.message in CLOSED:
            return CLOSED[self.message][language].format(provider=self.provider)
        said = TASKS[self.reason][language]
        detailed = language == "en" and self.reason in IN_ENGLISH and self.message
        return f"{said}: {self.message}" if detailed else said


@dataclass(frozen=True, slots=True)
class ProjectProblem:
    """Why a project has nothing to show for a day: a code with its facts."""

    code: ProblemCode
    project_id: int
    name: str = ""
    user_id: int | None = None
    standing: Standing | None = None
    providers: tuple[str, ...] = ()
    detail: str = ""
    causes: tuple[Cause, ...] = ()
    stopped: StopReason | None = None

    def text(self, language: Language) -> str:
        said = PROBLEMS[self.code][language].format(
            detail=self.detail, project_id=self.project_id, user_id=self.user_id, providers=", ".join(self.providers),
            standing="" if self.standing is None else standing_line(self.standing),
        )  # fmt: skip
        more = [f"{each.provider}: {each.text(language)}" for each in self.causes]
        if self.stopped:
            early = {"es": "la ejecución acabó antes: ", "en": "the run ended early: "}[language]
            more.append(early + STOPS[self.stopped][language])
        return said + (f" ({'; '.join(dict.fromkeys(more))})" if more else "")


def stop_text(stored: str | None, language: Language) -> str | None:
    """What a stored reason says; rows of earlier versions hold a sentence, which stays as it is."""
    return STOPS[stored][language] if stored in get_args(StopReason) else stored  # type: ignore[index]


def standing_line(standing: Standing) -> str:
    return f"User #{standing.user_id}: ${standing.spent_usd:.2f} / ${standing.budget_usd:.2f} ({standing.percent:.1f}%)"
