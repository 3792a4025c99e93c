"""The prompts of a day asked by the providers' SDKs alone: no ledger, no analysis, no database."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

from bench.environment import peak_rss_mb
from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.db.database import Database
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import anthropic, google, openai, perplexity
from llm_monitoring.providers.base import Question
from llm_monitoring.registry import read_catalogue
from llm_monitoring.runs.questions import prompt_question
from llm_monitoring.runs.tasks import pending_tasks
from llm_monitoring.settings.fields import load_settings

Ask = Callable[[Question], str]  # returns the answer's text


def written_questions(url: str, environment: Mapping[str, str]) -> str:
    """Return the questions that a run asks with this database as JSON, providers taking turns."""
    settings = load_settings(environment, dotenv=False)
    with Database(url) as db:
        catalogue = read_catalogue(db)
        found = {row["id"]: projects.find(db, row["id"]) for row in projects.overview(db)}
        models = {name: model for name in PROVIDERS if (model := catalogue.current(name)) is not None}
        asked = [
            [
                (name, asdict(prompt_question(task, found[task.project_id], model, settings)))
                for task in pending_tasks(db, name, schedule_day(settings), list(found))
            ]
            for name, model in models.items()
        ]
    return json.dumps([each for turn in zip(*asked, strict=True) for each in turn])


def run_bare(workers: int) -> dict[str, Any]:
    """Ask the questions on standard input; return time and memory, and apart from it what opening the SDKs took."""
    settings = load_settings(dotenv=False)
    asked: list[tuple[ProviderName, Question]] = [(name, Question(**given)) for name, given in json.load(sys.stdin)]
    opening = time.process_time()
    clients = {
        name: open_client(settings.api_keys[name].reveal(), settings.base_urls[name])
        for name, open_client in CLIENTS.items()
    }
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(workers) as pool:
        texts = list(pool.map(lambda each: clients[each[0]](each[1]), asked))
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    return {
        "opening_cpu_s": round(cpu - opening, 3),
        "wall_s": wall,
        "cpu_s": spent,
        "peak_rss_mb": peak_rss_mb(),
        "answers": sum(map(bool, texts)),
    }


def openai_client(key: str, base_url: str) -> Ask:
    from openai import OpenAI

    sdk = OpenAI(api_key=key, base_url=base_url, max_retries=0)
    return lambda question: str(sdk.responses.create(**openai.request(question)).output_text)


def perplexity_client(key: str, base_url: str) -> Ask:
    from openai import OpenAI

    sdk = OpenAI(api_key=key, base_url=base_url, max_retries=0)
    return lambda question: str(sdk.responses.create(**perplexity.request(question)).output_text)


def anthropic_client(key: str, base_url: str) -> Ask:
    from anthropic import Anthropic

    sdk = Anthropic(api_key=key, base_url=base_url, max_retries=0)

    def ask(question: Question) -> str:
        message = sdk.messages.create(**anthropic.request(question))
        return "".join(block.text for block in message.content if block.type == "text")

    return ask


def google_client(key: str, base_url: str) -> Ask:
    from google import genai

    sdk = genai.Client(api_key=key, http_options=genai.types.HttpOptions(base_url=base_url))

    def ask(question: Question) -> str:
        parameters = google.request(question)
        parameters["config"].should_return_http_response = False
        return sdk.models.generate_content(**parameters).text or ""

    return ask


CLIENTS: Final[dict[ProviderName, Callable[[str, str], Ask]]] = {
    "openai": openai_client,
    "anthropic": anthropic_client,
    "google": google_client,
    "perplexity": perplexity_client,
}
