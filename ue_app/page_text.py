"""Text on its way into the page: what a model or a person wrote must not act there.

The page's Markdown knows more than Markdown: formulas between dollar signs, coloured text, icons,
pictures from anywhere. An answer is shown with its headings, lists and code, and nothing else of
it works. Pure functions.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from ue_app.measure import Cost
from ue_app.strip import duration, rate, size

# Code stands as it is: nothing acts in it, and a backslash would be seen.
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_ACTS = re.compile(r"(\$|:(?=[A-Za-z0-9_+-]+[\[:/])|!(?=\[)|<(?=[A-Za-z/!?]))")
_LINE = re.compile(r"(?<=\S)\n(?=\S)")  # a line that ends ends in the page too
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
ENDINGS = {"length": "longest answer reached", "context": "conversation is full",
           "cancelled": "stopped", "failed": "broken off"}


def answer_markdown(text: str) -> str:
    """A model's answer as Markdown of which no more than the Markdown acts."""
    parts = _CODE.split(text)
    return "".join(part if index % 2 else _LINE.sub("  \n", _ACTS.sub(r"\\\1", part))
                   for index, part in enumerate(parts))


def plain_markdown(text: str) -> str:
    """`text` as it is, for labels in which Markdown acts."""
    return _MARKS.sub(r"\\\1", text)


def question_html(text: str) -> str:
    """A person's question, as typed."""
    return f'<div class="as-question"><div>{html.escape(text)}</div></div>'


def error_html(problem: str, remedy: str) -> str:
    """What is wrong, and what to do."""
    return (f'<div class="as-error" role="alert"><b>{html.escape(problem)}</b>'
            f"{html.escape(remedy)}</div>")


def note_html(text: str) -> str:
    """Something to know."""
    return f'<div class="as-note" role="status">{html.escape(text)}</div>'


def figures_text(figures: Mapping[str, Any]) -> str:
    """One line below an answer; a figure that was not measured is left out."""
    cost = {name: figures.get(name) for name in Cost.__annotations__}
    parts = []
    if cost["tokens"] is not None:
        parts.append(f"{cost['tokens']} tokens")
    if cost["time_to_first_token"] is not None:
        parts.append("first after " + " ".join(duration(cost["time_to_first_token"])))
    if cost["tokens_per_second"] is not None:
        parts.append("".join(rate(cost["tokens_per_second"])))
    if cost["bytes_up_per_token"] is not None:
        parts.append(" ".join(size(cost["bytes_up_per_token"])) + " up a token")
    ending = ENDINGS.get(str(figures.get("finish")))
    return " · ".join([*parts, *([ending] if ending else [])])
