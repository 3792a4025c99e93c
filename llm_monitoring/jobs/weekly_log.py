"""The log lines of the weekly job, word for word as operators filter on them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from llm_monitoring.db import Holder
from llm_monitoring.domain import ProviderName, traits
from llm_monitoring.errors import MonitoringError
from llm_monitoring.jobs.event_log import HOW_TO_BEGIN, EventLog
from llm_monitoring.model_review.findings import ModelReview, NewModel, PriceDrift, RetiringModel, Successor
from llm_monitoring.process.hints import explain
from llm_monitoring.registry import PriceChange, RegistryEntry
from llm_monitoring.registry.price_lines import plain, price_change_line, price_name

EVENTS: Final = EventLog("llm_monitoring.weekly")
log, say, info, warn, error = EVENTS.log, EVENTS.write, EVENTS.info, EVENTS.warn, EVENTS.error

MOST_SHOWN: Final = 12
NOTABLE: Final = 5


def started(*, dry_run: bool) -> None:
    info("check.started", "🕒 === WEEKLY MODEL CHECK CRON JOB STARTED ===")
    if dry_run:
        info("check.dry_run", "🧪 Simulación: se consultan los proveedores y no se cambia nada en el registro")


def keys(usable: Sequence[str], without: Sequence[str]) -> None:
    info("keys.available", f"🔑 API keys disponibles: {list(usable)}", providers=list(usable))
    if without:
        line = f"⚠️ Sin API key utilizable: {list(without)}; sus modelos no se comprueban"
        warn("keys.missing", line, providers=list(without))


def registered(entries: Sequence[RegistryEntry], providers: Sequence[ProviderName]) -> None:
    info("registry.reading", "📋 Obteniendo modelos registrados en BD...")
    for provider in providers:
        own = [entry for entry in entries if entry.llm_provider == provider]
        current = sum(entry.is_current for entry in own)
        line = f"   {provider}: {len(own)} modelos ({current} actual(es))"
        info("registry.models", line, provider=provider, models=len(own), current=current)


def asking() -> None:
    info("providers.asking", "🔍 Consultando APIs de proveedores...")


def listed(provider: ProviderName, models: int, user_id: int | None) -> None:
    """Report how many models there are; the user of the key is a field only, as listing is free."""
    line = f"   {traits(provider).company}: {models} modelos encontrados"
    owner = "operator" if user_id is None else f"user {user_id}"
    info("provider.listed", line, provider=provider, models=models, key_of=owner)


def not_listed(provider: ProviderName, problem: MonitoringError) -> None:
    line = f"no se pudo consultar; sus modelos quedan como están: {problem}"
    warn("provider.not_listed", f"   ⚠️ {traits(provider).company}: {line}", provider=provider)


def reviewed(reviews: Sequence[ModelReview], *, dry_run: bool) -> None:
    """Report new models, then those that end, reappeared ones, and changed prices."""
    info("models.comparing", "🆕 Detectando nuevos modelos...")
    for review in reviews:
        new_models(review.provider, review.new, dry_run=dry_run)
        for model_id in review.unstorable:
            why = "identificador demasiado largo o con caracteres no imprimibles, no se registra"
            warn("model.unstorable", f"   ⚠️ {review.provider}: {why}: {model_id}", provider=review.provider)
    for review in reviews:
        retiring_models(review.provider, review.retiring)
        for model_id in review.reappeared:
            line = f"↩️ {review.provider}/{model_id} sigue disponible: ya no consta su retirada"
            info("model.back", line, provider=review.provider, model_id=model_id)
        for drift in review.drifts:
            price_drift(review.provider, drift)
        for model_id, change in review.price_changes:
            price_changes(review.provider, model_id, change)


def new_models(provider: ProviderName, models: Sequence[NewModel], *, dry_run: bool) -> None:
    """Report the new models; of many, as on a first day, only the notable ones and the number of the others."""
    if models:
        info(
            "models.new",
            f"🆕 {provider.upper()}: {len(models)} modelo(s) nuevo(s):",
            provider=provider,
            models=len(models),
            model_ids=[new.info.model_id for new in models],
        )
    done = "🧪 Se insertaría" if dry_run else "✅ Insertado"
    shown = models if len(models) <= MOST_SHOWN else notable(models)
    for new in shown:
        fields = {"provider": provider, "model_id": new.info.model_id, **suggested(new)}
        info("model.new", f"   • {new.info.model_id}", **fields)
        info("model.inserted", f"      {done}: {provider}/{new.info.model_id}", **fields)
    rest = len(models) - len(shown)
    if rest:
        look = "`python -m llm_monitoring models list`"
        info("models.more", f"   … y {rest} más, igual: {look}", provider=provider, models=rest)


def notable(models: Sequence[NewModel]) -> Sequence[NewModel]:
    """The models to name among many: those with a known price first."""
    return sorted(models, key=lambda new: new.suggestion is None)[:NOTABLE]


def suggested(new: NewModel) -> dict[str, str]:
    if new.suggestion is None:
        return {}
    return {
        "suggested_input_usd": str(new.suggestion.price.input),
        "suggested_output_usd": str(new.suggestion.price.output),
        "suggested_source": new.suggestion.source,
    }


def retiring_models(provider: ProviderName, models: Iterable[RetiringModel]) -> None:
    """Report a current model that ends at every check until another one is current; the others once."""
    for model in models:
        if model.entry.is_current:
            current_model_ends(provider, model)
        elif not model.announced:
            level = logging.WARNING if model.entry.is_available else logging.INFO
            line = f"👋 {provider}/{model.model_id} {end(model)}"
            say(level, "model.going", line, provider=provider, model_id=model.model_id, why=model.reason)


def current_model_ends(provider: ProviderName, model: RetiringModel) -> None:
    line = f"❌ {provider}/{model.model_id}, el modelo actual, {end(model)}. {advice(provider, model.successor)}"
    fields = {"provider": provider, "model_id": model.model_id, "why": model.reason}
    error("model.current_going", line, successor=model.successor and model.successor.model_id, **fields)


def end(model: RetiringModel) -> str:
    if model.reason == "missing":
        return "ya no aparece en la lista del proveedor (dos comprobaciones seguidas)"
    return f"se retira el {model.entry.retires_at:%Y-%m-%d}"


def advice(provider: ProviderName, successor: Successor | None) -> str:
    if successor is None:
        return "No hay ningún sucesor con precio: apruebe uno y póngale precio"
    admin = "python -m llm_monitoring models"
    steps = f"`{admin} activate {provider} {successor.model_id}`"
    if not successor.approved:
        steps = f"`{admin} approve {provider} {successor.model_id}` y {steps}"
    return f"Sucesor con precio: {provider}/{successor.model_id}; cámbielo con {steps}"


def price_drift(provider: ProviderName, drift: PriceDrift) -> None:
    unit = "$" if drift.part.is_amount else "×"
    amounts = f"{unit}{plain(drift.registered)} en el registro y {unit}{plain(drift.suggested)} según {drift.source}"
    line = f"💱 {provider}/{drift.model_id}: precio de {price_name(drift.name)}, {amounts}"
    fields = {"registered_usd": str(drift.registered), "suggested_usd": str(drift.suggested)}
    warn("model.price_drift", line, provider=provider, model_id=drift.model_id, price=drift.name, **fields)


def price_changes(provider: ProviderName, model_id: str, change: PriceChange) -> None:
    """Report a change that begins within 60 days or is charged without a decision of an admin."""
    fields = {
        "provider": provider,
        "model_id": model_id,
        "valid_from": change.valid_from.isoformat(),
        "source": change.source,
        "begun": change.begun,
        "prices": {part.name: [text(part.before), text(part.after)] for part in change.parts},
    }
    warn("model.price_changes", price_change_line(provider, model_id, change), **fields)


def text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def switched(provider: ProviderName, before: str, after: str) -> None:
    line = f"🔁 {provider}: el modelo actual pasa de {before} a {after} (LLM_AUTO_SWITCH_MODELS)"
    warn("model.switched", line, provider=provider, model_id=after, before=before)


def not_switched(provider: ProviderName, model_id: str, problem: MonitoringError) -> None:
    line = f"❌ {provider}: no se pudo cambiar a {model_id}: {explain(problem)}"
    error("model.not_switched", line, provider=provider, model_id=model_id)


def summary(reviews: Sequence[ModelReview], *, dry_run: bool) -> int:
    """Report what the admin has to do; return the job's exit code."""
    info("summary", "📊 RESUMEN")
    new = sum(len(review.new) for review in reviews)
    if new:
        info("summary.new", "🆕 Se encontraron nuevos modelos", models=new)
        for line in (
            "   ⚠️ ACCIÓN REQUERIDA:",
            "      1. Revisar los nuevos modelos en llm_model_registry",
            "      2. Actualizar precios (cost_per_1m_input/output_tokens)",
            "      3. Marcar como disponible (is_available=TRUE)",
            "      4. Opcionalmente, marcar como actual (is_current=TRUE)",
        ):
            warn("summary.action", line)
        steps = "`price PROVEEDOR MODELO --suggested` (2), `approve` (3) y `activate` (4)"
        info("summary.how", f"   💡 Sin SQL: python -m llm_monitoring models list | show, después {steps}")
    else:
        info("summary.nothing_new", "✅ No hay modelos nuevos")
    info("check.completed", "🎉 MODEL CHECK COMPLETED SUCCESSFULLY", models=new, dry_run=dry_run)
    return 0


def already_checking(holder: Holder | None) -> None:
    if holder is not None:
        info("check.lock_holder", f"🔒 {holder}", pid=holder.pid)
    warn("check.already_running", "⏭️ Otra comprobación de modelos está en curso: esta termina sin hacer nada")


def no_keys() -> int:
    return failed_with("key.missing", f"❌ No hay ninguna API key utilizable: {HOW_TO_BEGIN}")


def no_provider_listed() -> int:
    return failed_with("check.nobody_asked", "❌ No se pudo consultar a ningún proveedor: revise las API keys y la red")


def failed(problem: Exception, *, with_traceback: bool = False) -> int:
    """Report the error that ended the job, with a traceback if it was unexpected."""
    text = explain(problem) if isinstance(problem, MonitoringError) else problem
    log.error("❌ %s", text, exc_info=problem if with_traceback else None, extra={"event": "check.error"})
    return failed_with()


def failed_with(event: str = "", sentence: str = "") -> int:
    if sentence:
        error(event, sentence)
    error("check.failed", "💥 MODEL CHECK FAILED")
    return 1
