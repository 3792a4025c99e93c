"""What the reasons of runs say, in the language of the reader: logs and digest in Spanish, the CLI in English."""

from __future__ import annotations

from typing import Final, Literal

from llm_monitoring.keys import KeyUnreadable
from llm_monitoring.keys import Reason as KeyReason
from llm_monitoring.ledger import Standing
from llm_monitoring.runs.limits import ClosedReason
from llm_monitoring.runs.reasons import Cause, ProblemCode, ProjectProblem, StopReason

Language = Literal["es", "en"]

STOPS: Final[dict[StopReason, dict[Language, str]]] = {
    StopReason.SIGNAL: {"es": "señal de parada", "en": "it was asked to stop"},
    StopReason.DEADLINE: {
        "es": "plazo de ejecución agotado",
        "en": "its deadline (LLM_RUN_DEADLINE_MINUTES) was reached",
    },
    StopReason.TAKEN_OVER: {"es": "otra ejecución tomó el relevo", "en": "another run took over"},
    StopReason.CHUNK_FAILED: {"es": "un tramo acabó con varios trabajadores", "en": "a chunk ended several workers"},
    StopReason.ENDED_IN_ERROR: {"es": "terminó con un error", "en": "it ended in an error"},
    StopReason.NO_BUDGET: {"es": "ningún usuario tiene presupuesto", "en": "no user has budget left"},
    StopReason.NO_KEYS: {"es": "no hay ninguna API key utilizable", "en": "there is no usable API key"},
    StopReason.PROCESS_ENDED: {"es": "su proceso terminó antes", "en": "its process ended before the run did"},
}

PROBLEMS: Final[dict[ProblemCode, dict[Language, str]]] = {
    ProblemCode.UNREADABLE: {
        "es": "la definición del proyecto no es válida: {detail}",
        "en": "its row cannot be read: {detail}",
    },
    ProblemCode.NO_USER: {
        "es": "el proyecto no tiene usuario que lo pague; asígnele uno",
        "en": "it has no user who pays for it",
    },
    ProblemCode.BLOCKED: {
        "es": "bloqueado, presupuesto mensual agotado: {standing}",
        "en": "blocked, the monthly budget is used up: {standing}; see `budget show`",
    },
    ProblemCode.NO_PROVIDER: {
        "es": "no tiene ningún asistente activado; elíjalos con "
        "`python -m llm_monitoring projects edit {project_id} --provider …`",
        "en": "no provider is chosen: `projects edit {project_id} --provider …`",
    },
    ProblemCode.KEY_UNREADABLE: {
        "es": "ninguna API key de User #{user_id} se puede leer; véase `python -m llm_monitoring keys list`",
        "en": "no API key of user {user_id} can be read: {detail}",
    },
    ProblemCode.KEYLESS: {
        "es": "User #{user_id} no tiene API keys para {providers}; guárdelas con `python -m llm_monitoring keys set`",
        "en": "user {user_id} has no API key for {providers}: `keys set`",
    },
    ProblemCode.NO_ANSWER: {"es": "sin ninguna respuesta válida", "en": "not one valid answer"},
}

EARLY: Final[dict[Language, str]] = {"es": "la ejecución acabó antes: ", "en": "the run ended early: "}

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
        "es": "la API key no se puede leer",
        "en": "the API key cannot be read",
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
    "expired": {
        "es": "el lote acabó antes de llegar a la pregunta",
        "en": "the batch ended before the prompt was asked",
    },
    "withdrawn": {"es": "otra ejecución tomó el relevo", "en": "another run took over"},
    "key_unreadable": {"es": "la API key no se puede leer", "en": "the API key cannot be read"},
    "key_closed": {"es": "el proveedor rechaza la API key", "en": "the provider refuses the API key"},
    "provider_closed": {"es": "el proveedor falla en todas las llamadas", "en": "the provider fails on every call"},
    "not_callable": {
        "es": "el modelo no se puede llamar: véase `python -m llm_monitoring models list`",
        "en": "the model cannot be called",
    },
    "no_current_model": {
        "es": "no tiene modelo actual: véase `python -m llm_monitoring models list`",
        "en": "there is no current model: see `models list`",
    },
    "unsettled": {"es": "la llamada no se pudo liquidar", "en": "the call could not be settled"},
    "error": {"es": "error interno", "en": "internal error"},
    "crashed": {"es": "fallo inesperado", "en": "unexpected error"},
}
"""The reasons of our own; for the others the provider's words are the message."""

IN_ENGLISH: Final = frozenset({"key_unreadable", "not_callable", "unsettled", "error", "crashed"})
"""Reasons that keep an English message of their own, which adds to the sentence."""

KEYS: Final[dict[KeyReason, str]] = {
    "no_master_key": "LLM_KEYS_ENCRYPTION_KEY no está definida; ponga la clave maestra que la cifró",
    "empty": "el valor guardado está vacío; guárdela de nuevo o quítela",
    "damaged": "el valor guardado está cortado o nunca fue una API key cifrada; guárdela de nuevo o quítela",
    "sealed_otherwise": "ninguna clave maestra de LLM_KEYS_ENCRYPTION_KEY la descifra; "
    "añada la que la cifró o guárdela de nuevo",
    "not_a_key": "su contenido no es una API key; guárdela de nuevo",
    "newer": "la cifró una versión posterior; actualice esta instalación",
    "not_yours": "se cifró para otro usuario o proveedor y se rechaza; guárdela de nuevo",
}
"""What the log says of a stored key that cannot be read; the command line shows the error's own text."""


def key_line(problem: KeyUnreadable) -> str:
    """A stored key that cannot be read, for the log."""
    return f"la API key de {problem.provider} no se puede leer: {KEYS[problem.reason]}"


def stop_text(reason: str | None, language: Language) -> str | None:
    """The text of a stored reason; rows of earlier versions hold a sentence, which stays as it is."""
    return STOPS[StopReason(reason)][language] if reason in list(StopReason) else reason


def closed_text(reason: ClosedReason, provider: str, language: Language) -> str:
    """Why a key, or a model under it, is no longer used."""
    return CLOSED[reason][language].format(provider=provider)


def cause_text(cause: Cause, language: Language) -> str:
    """The cause in a language; a provider's own words stay as they are."""
    if cause.reason not in TASKS:
        return cause.message or ""
    if cause.message in CLOSED:
        return closed_text(cause.message, cause.provider, language)
    text = TASKS[cause.reason][language]
    detailed = language == "en" and cause.reason in IN_ENGLISH and cause.message
    return f"{text}: {cause.message}" if detailed else text


def problem_text(problem: ProjectProblem, language: Language) -> str:
    """A project's problem, with its causes by provider and why the run ended early."""
    text = PROBLEMS[problem.code][language].format(
        detail=problem.detail,
        project_id=problem.project_id,
        user_id=problem.user_id,
        providers=", ".join(problem.providers),
        standing="" if problem.standing is None else standing_line(problem.standing),
    )
    more = [f"{cause.provider}: {cause_text(cause, language)}" for cause in problem.causes]
    if problem.stopped is not None:
        more.append(EARLY[language] + STOPS[problem.stopped][language])
    return text + (f" ({'; '.join(dict.fromkeys(more))})" if more else "")


def standing_line(standing: Standing) -> str:
    """The line that operators filter on: its amounts have two decimals, however small."""
    amounts = f"${standing.spent_usd:.2f} / ${standing.budget_usd:.2f}"
    return f"User #{standing.user_id}: {amounts} ({standing.shown_percent}%)"
