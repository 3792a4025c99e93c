"""Material for reports, made up without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from llm_monitoring.analysis import Entity
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.periods import Period
from llm_monitoring.projects.definition import Project
from llm_monitoring.reporting.citations import CitationTally
from llm_monitoring.reporting.report_data import Absences, Access, Failures, ReportData, halves

LAST = date(2026, 11, 23)
BRAND = Entity("Quipu", ("Quipu App",), ("getquipu.com",))
RIVALS = (Entity("Holded", (), ("holded.com",)), Entity("Sage", (), ("sage.com",)))
TEXT = "## Opciones\n\n1. **Holded**: completo.\n2. **Quipu**: sencillo, de [getquipu.com](https://getquipu.com).\n"
SOURCES: list[dict[str, Any]] = [
    {"url": "https://getquipu.com/precios", "domain": "getquipu.com", "title": "Precios", "kind": "provider"},
    {"url": "https://www.xataka.com/facturas/", "domain": "xataka.com", "title": None, "kind": "provider"},
]


def project(
    language: str = "es",
    providers: Sequence[ProviderName] = PROVIDERS,
    brand: Entity = BRAND,
    rivals: Sequence[Entity] = RIVALS,
) -> Project:
    return Project(
        id=7, user_id=1, name="Quipu (ES)", brand=brand, competitors=tuple(rivals), industry="software",
        language=language, country="ES", providers=tuple(providers), web_search=True, samples_per_query=1,
        is_active=True,
    )  # fmt: skip


def observation(**changes: Any) -> Observation:
    values: dict[str, Any] = {
        "query_id": 1, "provider": "openai", "model_id": "gpt-6", "day": LAST, "sample": 1, "branded": False,
        "brand_mentioned": False, "competitors": frozenset(), "position": None, "competitor_positions": {},
        "brand_cited": False, "sentiment": None, "sentiment_score": None,
    }  # fmt: skip
    return Observation(**(values | changes))


def random_observation(rng: Random, query_id: int, provider: str, day: date, sample: int) -> Observation:
    mentioned = rng.random() < 0.3 + 0.04 * (query_id % 10)
    return observation(
        query_id=query_id,
        provider=provider,
        day=day,
        sample=sample,
        brand_mentioned=mentioned,
        competitors=frozenset(entity.name for entity in RIVALS if rng.random() < 0.6),
        position=rng.randint(1, 6) if mentioned else None,
        brand_cited=mentioned and rng.random() < 0.5,
        sentiment="positive" if mentioned else None,
        sentiment_score=Decimal("0.80") if mentioned else None,
    )


def material(
    *,
    prompts: int = 8,
    days: int = 30,
    samples: int = 1,
    of: Project | None = None,
    text: Callable[[int], str] = lambda number: TEXT,
    sources: Sequence[dict[str, Any]] = SOURCES,
    failures: Sequence[Failures] = (),
    access: Access | None = None,
    left_out: int = 0,
    today: date = LAST,
    missing: Sequence[tuple[int, str]] = (),
) -> ReportData:
    """A whole period; `text` gives the latest day's answer by its number, `missing` (prompt, provider) never answer."""
    own, rng = of or project(), Random(4)
    dates = [LAST - timedelta(days=back) for back in range(days - 1, -1, -1)]
    observations = [
        random_observation(rng, query_id, provider, day, sample)
        for day in dates
        for query_id in range(1, prompts + 1)
        for provider in own.providers
        for sample in range(1, samples + 1)
        if (query_id, provider) not in missing
    ]
    citations = CitationTally(own.brand, own.competitors)
    latest = [each for each in observations if each.day == LAST]
    for each in latest:
        citations.add(citing(each, sources))
    return ReportData(
        project=own, first=dates[0], last=LAST, today=today, latest=LAST if observations else None, chosen=False,
        observations=observations, versus=halves(Period(dates[0], LAST), observations), citations=citations,
        left_out=left_out,
        prompts=[{"id": number, "query_text": f"¿Pregunta {number}?", "is_active": True, "language": "es"}
                 for number in range(1, prompts + 1)],
        texts=[answer(each, text(number), sources) for number, each in enumerate(latest)][:480],
        failed_prompts=dict.fromkeys(missing, "refused"), absences=Absences(failures, access or Access(), {}),
    )  # fmt: skip


def citing(each: Observation, sources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "query_id": each.query_id,
        "llm_provider": each.provider,
        "branded": each.branded,
        "brand_mentioned": each.brand_mentioned,
        "brand_cited": each.brand_cited,
        "sources": sources,
        "competitors_mentioned": dict.fromkeys(each.competitors, 1),
        "competitors_cited": {},
    }


def answer(each: Observation, text: str, sources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "query_id": each.query_id, "llm_provider": each.provider, "analysis_date": each.day, "sample": each.sample,
        "model": "gpt-6-2026",
        "text": text, "length": len(text), "brand_mentioned": each.brand_mentioned, "position_in_list": each.position,
        "total_items_in_list": 6, "sentiment": each.sentiment, "sources": sources, "language": "es",
    }  # fmt: skip
