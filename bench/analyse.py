"""The time of the analysis of an answer, also of hostile Markdown."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Final

from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.analysis.mentions.matching import find_matches
from llm_monitoring.analysis.text.markdown import read_markdown

ANSWER_LENGTH = 3_000
HOSTILE_LENGTH = 1_000_000
REPEATS = 400
NAMES = (
    "Holded Quipu Billin Contasimple Anfix Debitoor Sage Odoo Zoho Xero FreshBooks Pennylane Qonto Lexware Sevdesk "
    "Datev Factorial Personio Sesame Kenjo Bizneo Endalia A3ERP Wolters Ekon"
).split()
PARAGRAPH = """## Mejores programas de facturación para pymes en España

Si buscas un **programa de facturación** en la nube, estas son las opciones más valoradas según [la guía](https://ejemplo.es/guia):

1. **Holded**: todo en uno, con contabilidad, CRM e inventario. Desde 15 €/mes [1].
2. **Quipu** – pensado para autónomos; lee tickets con el móvil y presenta los modelos 303 y 130.
3. **Sage 50** (escritorio): completo, aunque algo más complejo que Odoo o Contasimple.

| Programa | Precio | Ideal para |
|---|---|---|
| Holded | 15 € | Pymes |
| Quipu | 10 € | Autónomos |
| Anfix | 12 € | Asesorías |

No tengo información fiable sobre Ekon, pero Factorial y Sesame destacan en recursos humanos. Consulta holded.com y
compara las *integraciones* disponibles, el soporte en español y la facilidad de uso antes de decidir.

"""


HOSTILE_UNITS: Final = {
    "open brackets": "[",
    "link openers": "[a](",
    "image openers": "![[",
    "stars": "*",
    "starred letters": "*a ",
    "underscores": "_a__",
    "angle brackets": "<",
    "comment openers": "<!--",
    "block quotes": ">",
    "spaced block quotes": "> ",
    "bullets": "- a\n",
    "nested bullets": "- ",
    "nested numbers": "1. ",
    "one long word": "a",
    "dotted word": "a.",
    "hyphens": "a-",
    "at signs": "a@",
    "slashes": "a.com/",
    "schemes": "http://",
    "citation marks": "[1]",
    "cjk marks": "【",
    "parentheses": "https://a.b/)",
    "soft lines": "a\n",
    "table rows": "|a|b|\n",
    "names": "Holded ",
    "names in lists": "Holded, ",
    "items with names": "1. **Holded** y Quipu\n",
    "denials": "no tengo informacion sobre Holded, ",
    "half denials": "no tengo sobre Holded ni Quipu ",
    "empty denials": "I do not ",
    "headings": "# Holded\n",
    "combining marks": "e\u0301",
    "zero width": "a\u200b",
    "falling marks": "\u0315\u0300",
    "thinking": "<think>`a</think>",
    "open tags": "[<b>a](https://a.com) ",
    "bold and citations": "**a** ([a.com](https://a.com)) ",
    "percent signs": "https://a.com/%C3%B3%zz ",
    "html": "<b>Holded",
    "entities": "&amp;",
    "kana": "ホルデッド",
    "halfwidth kana": "ｱ",
    "voicing marks": "ﾞﾟ",
    "links": "[Holded](https://holded.com/a) ",
    "bold lines": "**Holded** a\n",
    "lettered lines": "a) Holded\nb) Quipu\nc) Sage\n",
    "lettered first": "a) Holded\n",
    "emoji lines": "✅ Holded\n",
    "emoji": "✅",
    "dots": "・Holded\n",
    "dot": "・",
    "cards": "[a page](https://a.b)\n**Holded**\nx\n\n",
    "comparisons": "- **Holded vs Quipu**\n",
    "sections": "## Holded: precio\n",
    "section words": "## precio y precio \n",
    "nested options": "1. **a**\n   - Holded\n   - Quipu\n",
    "instructions": "1. **Open Holded** x\n",
    "sentences": "- Holded is a\n- Quipu is b\n",
    "one long item": "1. Holded is a ",
    "side by side": "Holded Quipu ",
    "medals": "🥇 Holded\n",
    "numbered headings": "## 1. Holded\n",
    "sources": "Sources:\n- Holded\n\n",
    "domain links": "([a.com](https://a.com)) ",
}


def hostile_texts() -> dict[str, str]:
    """Return texts of a megabyte for which careless parsers and patterns take exponential time."""
    texts = {name: unit * (HOSTILE_LENGTH // len(unit)) for name, unit in HOSTILE_UNITS.items()}
    texts["backticks"] = "".join("`" * count + " " for count in range(1, 1_400))
    texts["wide table"] = "|a" * 20_000 + "|\n" + "|-" * 20_000 + "|\n" + ("|b" * 20_000 + "|\n") * 22
    texts["table"] = "|a|b|\n|-|-|\n" + "|Holded|y|\n" * 90_000
    texts["deep list"] = "".join("  " * depth + "- a\n" for depth in range(900))
    return texts


def microseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median CPU time of `work` in microseconds."""
    spent = []
    for _ in range(repeats):
        start = time.process_time_ns()
        work()
        spent.append((time.process_time_ns() - start) / 1_000)
    return round(statistics.median(spent), 1)


def project() -> Matcher:
    """Return a brand and twenty-four competitors."""
    brand, *competitors = (Entity(name, domains=(f"{name.lower()}.com",)) for name in NAMES)
    return Matcher(brand, competitors)


def measure() -> dict[str, object]:
    """Return all figures of the benchmark."""
    matcher = project()
    answer = (PARAGRAPH * (ANSWER_LENGTH // len(PARAGRAPH) + 1))[:ANSWER_LENGTH]
    document = read_markdown(answer, "es")
    hostile: dict[str, float] = {}
    for name, text in hostile_texts().items():
        start = time.process_time()
        matcher.analyse(text)
        hostile[name] = round(time.process_time() - start, 3)
    return {
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        "entities": len(matcher.entities),
        "characters": len(answer),
        "detection_us": microseconds(lambda: find_matches(matcher.vocabulary, document)),
        "parsing_us": microseconds(lambda: read_markdown(answer)),
        "analysis_us": microseconds(lambda: matcher.analyse(answer, (), "es")),
        "slowest_hostile": max(hostile, key=lambda name: hostile[name]),
        "hostile_seconds": hostile,
    }


def main() -> None:
    """Print the figures as one line of JSON."""
    print(json.dumps(measure(), ensure_ascii=False))


if __name__ == "__main__":
    main()
