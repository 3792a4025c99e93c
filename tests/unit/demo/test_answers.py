"""The answers: the same for the same question, in its language, varied, and drifting with the days."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from llm_monitoring.demo.answers.composer import Composer
from llm_monitoring.demo.answers.judge import is_sentiment, judge
from llm_monitoring.demo.answers.market import language_of
from llm_monitoring.demo.exchange import Ask, Composed
from llm_monitoring.demo.sample import CRM, INVOICING, SAMPLE_PROJECTS, SampleProject

TODAY = date(2026, 11, 23)
PROVIDERS = ("openai", "anthropic", "google", "perplexity")


def compose(
    prompt: str,
    *,
    provider: str = "openai",
    day: date = TODAY,
    sample: int = 1,
    searches: int = 0,
    seed: int = 1,
) -> Composed:
    return Composer(seed, TODAY).compose(provider, Ask("m", prompt), day, sample, searches)


def mention_rate(project: SampleProject, day: date, samples: int = 3) -> float:
    """Return the share of a day's unbranded answers that name the brand."""
    prompts = [prompt for prompt in project.prompts if project.brand.name not in prompt]
    texts = [
        compose(prompt, provider=provider, day=day, sample=sample).text
        for prompt in prompts
        for provider in PROVIDERS
        for sample in range(samples)
    ]
    return sum(project.brand.name in text for text in texts) / len(texts)


def test_an_answer_depends_on_its_question_alone() -> None:
    """The same seed, provider, prompt, day and sample give the same answer; each other one differs."""
    prompt = INVOICING.prompts[0]
    same = compose(prompt, searches=2)
    others = [
        compose(prompt, searches=2, sample=2),
        compose(prompt, searches=2, day=TODAY + timedelta(1)),
        compose(prompt, searches=2, provider="google"),
        compose(prompt, searches=2, seed=2),
        compose(INVOICING.prompts[1], searches=2),
    ]
    assert same == compose(prompt, searches=2)
    assert all(other.text != same.text for other in others)


@pytest.mark.parametrize(
    ("prompt", "instructions", "expected"),
    [
        ("¿Qué CRM me recomiendas?", "", "es"),
        ("alternativas a Holded para pymes", "", "es"),
        ("best CRM for a small team", "", "en"),
        ("CRM", "Answer in the language with the ISO 639-1 code 'es'.", "es"),
        ("¿Qué CRM me recomiendas?", "Answer in the language with the ISO 639-1 code 'en'.", "en"),
    ],
)
def test_the_language_is_the_instructions_or_the_prompts(prompt: str, instructions: str, expected: str) -> None:
    """A language code in the instructions wins; else the prompt's own words decide."""
    assert expected == language_of(prompt, instructions)


def test_answers_come_in_many_shapes() -> None:
    """Over the sample's prompts there are numbered lists, bullets, tables, headings and prose."""
    texts = [
        compose(prompt, provider=provider, sample=sample).text
        for project in SAMPLE_PROJECTS
        for prompt in project.prompts
        for provider in PROVIDERS
        for sample in range(2)
    ]
    marks = {
        "numbered": "\n1. ",
        "bullets": "\n- **",
        "table": "| --- |",
        "headings": "\n### ",
        "medals": "🥇 ",
    }
    assert all(any(mark in text for text in texts) for mark in marks.values())
    assert any(not any(mark in text for mark in marks.values()) for text in texts)
    assert len(set(texts)) > 0.9 * len(texts)


@pytest.mark.parametrize("project", SAMPLE_PROJECTS, ids=lambda project: project.language)
def test_the_brand_is_sometimes_absent_and_sometimes_first(project: SampleProject) -> None:
    """Neither never nor always: rates lie between 25 and 90 %, and the brand leads some answers."""
    rate = mention_rate(project, TODAY)
    first = [
        compose(prompt, provider=provider, sample=sample).text
        for prompt in project.prompts
        for provider in PROVIDERS
        for sample in range(3)
    ]
    names = [project.brand.name, *(rival.name for rival in project.competitors)]
    leads = [min(names, key=lambda name: text.find(name) % 100_000) for text in first]
    assert 0.25 < rate < 0.9
    assert project.brand.name in leads
    assert len(set(leads)) > 1


def test_one_project_has_a_trend_and_the_other_none() -> None:
    """Over 30 days the invoicing brand rises clearly; the CRM brand stays where it is."""
    start = TODAY - timedelta(29)
    assert mention_rate(INVOICING, TODAY) - mention_rate(INVOICING, start) > 0.15
    assert abs(mention_rate(CRM, TODAY) - mention_rate(CRM, start)) < 0.12


def test_a_search_brings_pages_of_third_parties_and_vendors() -> None:
    """Citations point at real-looking pages of both kinds, and each stands on a line of the text."""
    answers = [compose(prompt, searches=1) for prompt in INVOICING.prompts]
    hosts = {page.domain for answer in answers for page in answer.citations}
    assert {"getquipu.com", "holded.com", "capterra.es"} <= hosts
    assert all(page.line < len(answer.text.split("\n")) for answer in answers for page in answer.citations)
    assert [1] * len(answers) == [len(answer.queries) for answer in answers]


def test_a_model_may_not_know_a_brand() -> None:
    """Asked about a brand, some answers say that there is no information on it."""
    texts = [compose("¿Qué opinas de Quipu?", provider="anthropic", sample=n).text for n in range(40)]
    unknown = [text for text in texts if text.startswith(("No tengo", "No he encontrado", "No dispongo"))]
    assert 1 <= len(unknown) <= 15


@pytest.mark.parametrize(
    "prompt",
    [
        "¿Cómo hago pan en casa?",
        "hi",
        "",
        "🤷",
        "What do you think of Zyntharo?",
        "日本の会計ソフト",
        "x" * 20_000,
    ],
)
def test_any_prompt_is_answered(prompt: str) -> None:
    """A prompt about nothing that the markets know still gets a plausible text."""
    assert len(compose(prompt).text) > 60


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("Quipu es la mejor opción: sencilla, completa y fácil de usar.", "positive"),
        ("Evita Quipu: es lento, caro y limitado.", "negative"),
        ("Quipu tiene su sede en Barcelona.", "neutral"),
        ("Acme is excellent value and easy to use.", "positive"),
        ("Acme is slow, expensive and weak.", "negative"),
    ],
)
def test_the_judge_scores_what_it_reads(context: str, expected: str) -> None:
    """The verdict is one JSON object with a label that fits its score."""
    verdict = json.loads(judge(Ask("m", context)).text)
    ranges = {"positive": (0.6, 1.0), "neutral": (0.4, 0.6), "negative": (0.0, 0.4)}
    low, high = ranges[expected]
    assert expected == verdict["sentiment"]
    assert ["score", "sentiment"] == sorted(verdict)
    assert low <= verdict["score"] <= high


def test_the_judge_acts_only_when_told_to() -> None:
    """A request is a sentiment task when its instructions say sentiment and JSON."""
    assert is_sentiment(Ask("m", "text", instructions="Classify the SENTIMENT. Reply with JSON only."))
    assert not is_sentiment(Ask("m", "What sentiment does JSON have?"))
