"""The demo's sample: one user with a budget and two projects, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from llm_monitoring.domain import Pace

SAMPLE_EMAIL: Final = "demo@agency.example"
SAMPLE_BUDGET_USD: Final = Decimal("25.00")
DEMO_KEYS: Final[dict[str, str]] = {
    "openai": "sk-proj-DEMO-not-a-real-key-0000-dEm0aX1q",
    "anthropic": "sk-ant-api03-DEMO-not-a-real-key-0000-dEm0bY2w",
    "google": "AQ.DEMO-not-a-real-key-0000-dEm0cZ3e",
    "perplexity": "pplx-DEMO-not-a-real-key-0000-dEm0dW4r",
}


@dataclass(frozen=True, slots=True)
class SampleEntity:
    """A brand or a competitor with the names that identify it."""

    name: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    case_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class SampleProject:
    """One project of the sample user."""

    name: str
    brand: SampleEntity
    competitors: tuple[SampleEntity, ...]
    industry: str
    language: str
    country: str
    prompts: tuple[str, ...]
    pace: Pace = "prompt"


INVOICING: Final = SampleProject(
    name="Quipu (ES)",
    brand=SampleEntity("Quipu", ("Quipu App", "getquipu"), ("getquipu.com",), ("quipu inca", "quipus incas")),
    competitors=(
        SampleEntity("Holded", (), ("holded.com",)),
        SampleEntity("Sage", ("Sage Active", "Sage 50"), ("sage.com",), ("sage green", "Sage Intacct")),
        SampleEntity("Billin", (), ("billin.net",)),
        SampleEntity("Contasimple", ("Conta Simple",), ("contasimple.com",)),
    ),
    industry="software de facturación",
    language="es",
    country="ES",
    prompts=(
        "¿Cuál es el mejor programa de facturación para autónomos en España?",
        "¿Qué software de facturación recomiendas para una pyme de diez empleados?",
        "¿Qué programas de facturación cumplen ya con Verifactu?",
        "Necesito facturar y presentar el IVA trimestral yo mismo, ¿qué herramienta uso?",
        "¿Qué programa de facturación es más fácil de usar para alguien sin conocimientos de contabilidad?",
        "Mejores programas de facturación online con conciliación bancaria",
        "¿Hay algún programa gratuito para hacer facturas que merezca la pena?",
        "Compara los programas de facturación más usados por autónomos y sus precios",
        "¿Qué software de facturación usan las asesorías con sus clientes?",
        "¿Cómo puedo digitalizar los tickets y gastos de mi negocio para la contabilidad?",
        "Recomiéndame un programa de facturación con buena aplicación móvil",
        "¿Qué alternativas hay a Holded para un autónomo?",
        "¿Qué software de facturación se integra con una tienda online?",
        "¿Qué opinas de Quipu para llevar la facturación de un autónomo?",
        "Quipu o Holded: ¿cuál es mejor para una pequeña empresa?",
    ),
)
CRM: Final = SampleProject(
    name="Pipedrive (US)",
    brand=SampleEntity("Pipedrive", ("Pipe Drive",), ("pipedrive.com",)),
    competitors=(
        SampleEntity("HubSpot", ("HubSpot CRM",), ("hubspot.com",)),
        SampleEntity("Salesforce", ("Salesforce Starter", "Sales Cloud"), ("salesforce.com",)),
        SampleEntity("Zoho CRM", ("Zoho",), ("zoho.com",), ("Zoho Books", "Zoho Mail")),
        SampleEntity("Freshsales", ("Freshworks CRM",), ("freshworks.com", "freshsales.io")),
    ),
    industry="sales CRM software",
    language="en",
    country="US",
    prompts=(
        "What is the best CRM for a small sales team?",
        "Which CRM is easiest to use for a startup with five salespeople?",
        "Best CRM software with a visual sales pipeline",
        "What CRM would you recommend for a B2B agency in the US?",
        "Which CRMs have a good free plan?",
        "Compare the most popular sales CRMs on price and features",
        "What is a good CRM that works well with Gmail?",
        "Which CRM is best for tracking deals and follow-ups without much setup?",
        "How do I choose a CRM for a growing sales team?",
        "What CRM do real estate agents use to manage leads?",
        "Top CRM tools with built-in calling and e-mail sequences",
        "What are the best alternatives to Salesforce for small businesses?",
        "Which CRM has the best automation for the money?",
        "Is Pipedrive a good CRM for a small business?",
        "Pipedrive vs HubSpot: which one is better for a sales team of ten?",
    ),
    pace="punctual",  # its calls show what half-price tokens save
)
SAMPLE_PROJECTS: Final = (INVOICING, CRM)
