"""Makes years of daily runs within minutes: answers of the real analysis, multiplied by the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from llm_monitoring.analysis import Matcher
from llm_monitoring.db.database import Database, Json
from llm_monitoring.db.queries import Queries, parse
from llm_monitoring.demo.answers.composer import Composer
from llm_monitoring.demo.bill import PriceTable
from llm_monitoring.demo.exchange import Ask, Composed, Turn
from llm_monitoring.demo.metering import meter
from llm_monitoring.demo.sample import INVOICING
from llm_monitoring.demo.server.broken_replies import encode
from llm_monitoring.demo.server.service import WIRES
from llm_monitoring.demo.session import entity
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.process.progress import bar
from llm_monitoring.projects import fingerprints
from llm_monitoring.projects.definition import Project, write_entity
from llm_monitoring.projects.store import find
from llm_monitoring.providers import Reply, read_reply

FILL: Final = Queries("volume", parse("volume", Path(__file__).with_name("volume.sql").read_text(encoding="utf-8")))

PROMPTS: Final = 60
PER_USER: Final = 4
TASKS_A_DAY: Final = 10_000
TASKS: Final = PROMPTS * len(PROVIDERS)  # a project's in a day
LIFE_DAYS: Final = 100
KEPT_DAYS: Final = 91  # retention is 90: the day that is due is still there
SAMPLES: Final = 150  # answers of each provider
OPEN_CALLS: Final = 20
MODELS: Final = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}
VERDICT: Final = '{"brand": "Quipu", "sentiment": "positive", "score": 0.81}'


@dataclass(frozen=True, slots=True)
class Shape:
    """How `results` answers are spread: `alive` projects at a time for `days` days, and on the last day `crowd` more.

    On the last day the run of all of them is under way: half of its prompts are answered.
    """

    results: int
    crowd: int
    today: date

    @property
    def history(self) -> int:
        return max(TASKS, self.results - self.crowd * TASKS // 2)

    @property
    def alive(self) -> int:
        return max(1, min(TASKS_A_DAY // TASKS + 1, self.history // (TASKS * LIFE_DAYS)))

    @property
    def days(self) -> int:
        return max(1, self.history // (self.alive * TASKS))

    @property
    def first(self) -> date:
        return self.today - timedelta(days=self.days)

    @property
    def projects(self) -> int:
        return self.alive * -(-self.days // LIFE_DAYS)

    @property
    def users(self) -> int:
        return -(-(self.alive + self.crowd) // PER_USER)


def fill(db: Database, shape: Shape) -> float:
    """Fill an empty database and return the seconds. The statistics are those of the day before the last."""
    began = time.perf_counter()
    with bar("Fill", shape.days + 1) as advance, unsafe(db):
        project = add_projects(db, shape)
        common = {
            "providers": list(PROVIDERS),
            "samples": SAMPLES,
            "brand": project.brand.name,
            "today": shape.today,
            "fingerprint": fingerprints.fingerprint(project),
            "turns": PROMPTS,
        }
        for back in range(shape.days, 0, -1):
            add_day(db, shape, common, back)
            advance(1)
        db.execute("VACUUM (ANALYZE)")
        run_id = add_day(db, shape, common | {"turns": PROMPTS // 2}, 0)
        db.execute(FILL.leave_open, {"day": shape.today, "run_id": run_id, "calls": OPEN_CALLS})
        db.execute(FILL.balance, {"month": shape.today.replace(day=1)})
        advance(1)
    return time.perf_counter() - began


@contextmanager
def unsafe(db: Database) -> Iterator[None]:
    """Load without waiting for the disk, which only the load may do."""
    for statement in (FILL.load_quickly, FILL.load_with_long_checkpoints, FILL.load_without_page_images, FILL.reload):
        db.execute(statement)
    yield
    db.execute(FILL.as_shipped)
    db.execute(FILL.reload)
    db.execute("CHECKPOINT")


def add_projects(db: Database, shape: Shape) -> Project:
    """Add samples, users, projects and prompts; return one of the projects, which all have the same definition."""
    rivals = [entity(rival) for rival in INVOICING.competitors]
    brand = entity(INVOICING.brand)
    db.execute(FILL.add_samples, {"samples": Json(list(samples(Matcher(brand, rivals), shape.today)))})
    db.execute(FILL.index_samples)
    db.execute(FILL.add_users, {"users": shape.users})
    params = {
        "alive": shape.alive,
        "life": LIFE_DAYS,
        "first": shape.first,
        "last": shape.today - timedelta(days=1),
        "today": shape.today,
        "projects": shape.projects,
        "crowd": shape.crowd,
        "per_user": PER_USER,
        "brand": brand.name,
        "domains": list(brand.domains),
        "industry": INVOICING.industry,
        "competitors": Json([write_entity(rival) for rival in rivals]),
    }
    db.execute(FILL.add_projects, params)
    db.execute("UPDATE bench_lives SET died = %(today)s WHERE died = %(last)s", params)
    db.execute(FILL.add_prompts, {"prompts": list(INVOICING.prompts), "per_project": PROMPTS})
    row = db.one(FILL.a_project, {"crowd": False})
    assert row is not None
    project = find(db, row["project_id"])
    fingerprints.record(db, project)
    return project


def add_day(db: Database, shape: Shape, common: dict[str, Any], back: int) -> int:
    """Add one day and return its run."""
    day = shape.today - timedelta(days=back)
    params = common | {"day": day, "kept": back <= KEPT_DAYS}

    def write(tx: Any) -> int:
        tx.execute("SET LOCAL session_replication_role = replica")  # foreign keys hold by the way that rows are made
        run_id = int(tx.one(FILL.open_run, params)["id"])
        tx.execute(FILL.add_day, params | {"run_id": run_id})
        tx.execute(FILL.add_figures, params)
        return run_id

    return db.transact(write)


def samples(matcher: Matcher, today: date) -> Iterator[dict[str, Any]]:
    """Yield answers of about 2 kB of every provider with all columns."""
    composer = Composer(1, today)
    for provider in PROVIDERS:
        for number in range(SAMPLES):
            asked = INVOICING.prompts[number % len(INVOICING.prompts)]
            then = INVOICING.prompts[(number * 7 + 3) % len(INVOICING.prompts)]
            day = today - timedelta(days=number)
            parts = [
                composer.compose(provider, Ask(MODELS[provider], prompt, "(es)"), day, 1, int(provider == "perplexity"))
                for prompt in (asked, then)
            ]
            text = "\n\n".join(part.text for part in parts)
            yield sample(matcher, provider, number, Composed(text, parts[0].citations, parts[0].queries))


def sample(matcher: Matcher, provider: ProviderName, number: int, composed: Composed) -> dict[str, Any]:
    """Return one answer: its reply, its analysis, and the reply of its judge."""
    reply = reply_of(provider, composed, number)
    answer = read_reply(provider, Reply(200, reply, 2900))
    citations = [asdict(citation) for citation in answer.citations]
    analysis = matcher.analyse(answer.text, citations, "es")
    usage = answer.usage
    assert usage is not None
    return {
        "no": number,
        "provider": provider,
        "model": answer.model,
        "text": answer.text,
        "citations": citations,
        "sources": [dict(source) for source in analysis.sources],
        "contexts": list(analysis.mention_contexts),
        "mentioned": analysis.brand_mentioned,
        "mention_count": analysis.mention_count,
        "mention_order": analysis.mention_order,
        "position": analysis.position_in_list,
        "total": analysis.total_items_in_list,
        "ranking_kind": analysis.ranking_kind,
        "numbered": analysis.appears_in_numbered_list,
        "competitors": dict(analysis.competitors_mentioned),
        "competitor_positions": dict(analysis.competitor_positions),
        "brand_cited": analysis.brand_cited,
        "competitors_cited": dict(analysis.competitors_cited),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reply": reply.decode(),
        "verdict": reply_of("openai", Composed(VERDICT), number).decode(),
    }


def reply_of(provider: ProviderName, composed: Composed, number: int) -> bytes:
    """Return the provider's reply of an answer."""
    ask = Ask(MODELS[provider], "¿?", "(es)", input_tokens=180)
    said, usage, finish = meter(provider, ask, composed, "stop", Random(number))
    parts = PriceTable.shipped().parts(provider, MODELS[provider], usage)
    costs = {kind: str(part) for kind, part in (parts | {"total": sum(parts.values(), Decimal(0))}).items()}
    turn = Turn(f"{number:024x}", ask, MODELS[provider], said, usage, finish, 1_790_000_000, costs)
    return encode(WIRES[provider].reply(turn))
