"""The time of the analysis of an answer, also of hostile Markdown."""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bench.pairs import measured_in_turn
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
PROSE = """Para una pyme española, Holded suele ser la primera opción porque reúne facturación, contabilidad e
inventario en un solo sitio. Quipu resulta más sencillo para autónomos que solo emiten unas pocas facturas al mes, y su
equipo atiende en español. Si ya trabajas con una asesoría, pregunta antes qué programa usa: muchas prefieren Sage o
Anfix, y compartir los datos ahorra horas. Odoo gusta a quien tiene un técnico en casa, pues se adapta a casi todo,
aunque la puesta en marcha lleva semanas. Conviene probar dos o tres durante un mes con facturas reales, mirar si
presentan los modelos trimestrales y comprobar que se pueden exportar los datos antes de firmar nada.

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
    answer = repeated(PARAGRAPH)
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


def against_regex(pairs: int) -> dict[str, Any]:
    """The analysis of an answer next to one regular expression of all names over the same text, in turn.

    `detection`: only finding the names. `analysis`: Markdown, absence, places in lists and sources too, which the
    expression does not look for. Microseconds of processor time for each realistic answer, and medians of ratios.
    """
    matcher = project()
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, NAMES))})\b", re.IGNORECASE)
    found: dict[str, Any] = {"entities": len(NAMES)}
    for kind, answer in realistic_answers().items():
        search = partial(microseconds, partial(names.findall, answer))
        detect = partial(microseconds, partial(find_matches, matcher.vocabulary, read_markdown(answer, "es")))
        analyse = partial(microseconds, partial(matcher.analyse, answer, (), "es"))
        found[kind] = {
            "characters": len(answer),
            "detection": measured_in_turn(detect, search, pairs),
            "analysis": measured_in_turn(analyse, search, pairs),
        }
    return found


def realistic_answers() -> dict[str, str]:
    """Answers of 3,000 characters: with lists, tables and links as assistants write them, and as plain sentences."""
    return {"markdown": repeated(PARAGRAPH), "prose": repeated(PROSE)}


def repeated(paragraph: str) -> str:
    return (paragraph * (ANSWER_LENGTH // len(paragraph) + 1))[:ANSWER_LENGTH]


def main() -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench analyse", description=__doc__)
    parser.add_argument(
        "--against-regex",
        action="store_true",
        help="the analysis next to one regular expression of the same names, in turn: medians of the ratios",
    )
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs --against-regex measures (default 5)")
    options = parser.parse_args()
    figures = against_regex(options.pairs) if options.against_regex else measure()
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
