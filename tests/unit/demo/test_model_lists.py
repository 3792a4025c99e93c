"""The providers' model lists through the SDKs' own list calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from llm_monitoring.demo.server.loopback import DemoServer


def test_openai_lists_hundreds_of_models_of_every_kind(openai_client: openai.OpenAI) -> None:
    """One page with chat, dated, embedding, speech, image, realtime, moderation and fine-tuned models."""
    ids = [model.id for model in openai_client.models.list()]
    assert len(ids) >= 200
    assert len(ids) == len(set(ids))
    kinds = "gpt-6.1-terra gpt-5.5-2026-04-23 text-embedding-3 tts-1 whisper-1 gpt-image-2 gpt-realtime"
    assert all(
        any(kind in name for name in ids)
        for kind in [*kinds.split(), "omni-moderation", "ft:gpt-4o", "sora-2", "gpt-6-codex"]
    )


def test_anthropic_lists_several_pages(server: DemoServer, anthropic_client: anthropic.Anthropic) -> None:
    """Pages of ten at most are walked by after_id; dates, lifecycle and limits are there."""
    models = list(anthropic_client.models.list(limit=1000))
    page = anthropic_client.models.list(limit=1000)
    stages = Counter(model.lifecycle for model in models)
    assert 10 == len(page.data)
    assert page.has_more is True
    assert [model["id"] for model in server.models.listed("anthropic")] == [model.id for model in models]
    assert min(stages["active"], stages["deprecated"], stages["retired"]) > 1
    assert all(model.max_input_tokens and model.created_at.year >= 2024 for model in models)
    assert all(model.retires_at for model in models if model.lifecycle != "active")


def test_anthropic_filters_by_lifecycle_and_finds_aliases(anthropic_client: anthropic.Anthropic) -> None:
    """`lifecycle` leaves the other stages out, and an alias is found under its dated name."""
    active = list(anthropic_client.models.list(lifecycle=["active"]))
    assert {"active"} == {model.lifecycle for model in active}
    assert "claude-haiku-4-5-20251001" == anthropic_client.models.retrieve("claude-haiku-4-5").id


def test_google_lists_several_pages(server: DemoServer, google_client: genai.Client) -> None:
    """nextPageToken leads through text, embedding, image, speech, live and open models."""
    pager = google_client.models.list(config={"page_size": 1000})
    assert 25 == len(pager.page)
    models = list(pager)
    actions = {(model.name or "").removeprefix("models/"): model.supported_actions or [] for model in models}
    assert len(server.models.listed("google")) == len(models)
    assert "generateContent" in actions["gemini-3.8-flash"]
    assert "generateContent" not in actions["gemini-embedding-001"]
    assert {
        "imagen-4.0-generate-001",
        "gemini-3.8-live",
        "gemma-4-31b-it",
        "gemini-3.8-flash-tts",
    } <= actions.keys()


def test_perplexity_lists_without_a_key(plain: Any) -> None:
    """Perplexity's list needs no key and holds its own and third-party models."""
    ids = [model["id"] for model in plain.send("GET", "/perplexity/v1/models").json()["data"]]
    assert "perplexity/sonar" in ids
    assert {"openai", "anthropic", "google", "xai", "perplexity"} == {name.split("/")[0] for name in ids}


def test_a_hidden_model_still_answers_and_a_retired_one_does_not(plain: Any, openai_client: openai.OpenAI) -> None:
    """`remove` takes a model off the list alone; `retire` also ends its answers."""
    change = {"provider": "openai", "remove": ["gpt-6-luna"], "retire": ["gpt-5.5"]}
    assert 200 == plain.send("POST", "/models", change).status
    ids = {model.id for model in openai_client.models.list()}
    assert ids.isdisjoint({"gpt-6-luna", "gpt-5.5"})
    assert "completed" == openai_client.responses.create(model="gpt-6-luna", input="hi").status
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.create(model="gpt-5.5", input="hi")


def test_a_new_model_answers_once_it_has_a_price(server: DemoServer, plain: Any) -> None:
    """An added model is listed; it answers, and is billed, with the prices that come with it."""
    model = {"id": "gpt-7-sol", "object": "model", "created": 1, "owned_by": "system"}
    plain.send("POST", "/models", {"provider": "openai", "add": [model]})
    assert 404 == plain.ask("openai", model="gpt-7-sol").status
    assert "gpt-7-sol" in str(server.models.listed("openai"))
    prices = {"gpt-7-sol": {"input_mtok": 3.5, "output_mtok": 0}}
    plain.send("POST", "/models", {"provider": "openai", "prices": prices})
    usage = plain.ask("openai", model="gpt-7-sol").json()["usage"]
    assert f"{usage['input_tokens'] * 3.5e-6:.10f}" == server.bill.lines[0].price_usd


def test_a_model_comes_back(server: DemoServer, openai_client: openai.OpenAI) -> None:
    """A removed model that is added again is listed again."""
    entry = server.models.models["openai"]["gpt-6-luna"]
    server.models.change("openai", remove=["gpt-6-luna"])
    server.models.change("openai", add=[entry])
    assert "gpt-6-luna" in {model.id for model in openai_client.models.list()}
