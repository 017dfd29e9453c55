"""Text on its way into the page: what a model or a person wrote must not act there.

An answer is Markdown, shown with its headings, lists, tables and code; HTML in it is shown as text,
and pictures, which would be fetched from anywhere, as the text they are. Pure functions.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt

from ue_app.measure import Cost
from ue_app.strip import duration, rate, size

CURSOR = '<span class="as-cursor"></span>'
_CURSOR_MARK = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for it while Markdown is read
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
ENDINGS = {"length": "longest answer reached", "context": "conversation is full",
           "cancelled": "stopped", "failed": "broken off"}


@cache
def _markdown() -> MarkdownIt:
    # With breaks: a line that ends in the answer ends in the page.
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True})
    return reader.enable("table").disable("image")


def answer_html(text: str, cursor: bool = False) -> str:
    """A model's answer, whole or as far as it is written."""
    text = text.replace(_CURSOR_MARK, "")
    rendered = str(_markdown().render(text + _CURSOR_MARK if cursor else text))
    return rendered.replace(_CURSOR_MARK, CURSOR)


def plain_markdown(text: str) -> str:
    """`text` as it is, for labels in which Markdown acts."""
    return _MARKS.sub(r"\\\1", text)


def question_html(text: str) -> str:
    """A person's question, as typed."""
    return f'<div class="as-question"><div>{html.escape(text)}</div></div>'


def error_html(problem: str, remedy: str) -> str:
    """What is wrong, and what to do."""
    return (f'<div class="as-error" role="alert"><b>{_escaped(problem)}</b>'
            f"{_escaped(remedy)}</div>")


def missing_html(labels: Sequence[str], problem: str, remedy: str) -> str:
    """What cannot be chosen, and why; what would help shows where one points."""
    return (f'<div class="as-missing" title="{html.escape(remedy)}"><b>'
            f"{html.escape(' and '.join(labels))}</b>: not available. {_escaped(problem)}</div>")


def _escaped(sentence: str) -> str:
    """A sentence as HTML; commands in it stand between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(sentence))


def note_html(text: str) -> str:
    """Something to know."""
    return f'<div class="as-note" role="status">{_escaped(text)}</div>'


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
    if cost["drafted"] and cost["tokens_per_round_trip"] is not None:
        parts.append(f"{cost['tokens_per_round_trip']:.1f} tokens a round trip, {cost['accepted']} "
                     f"of {cost['drafted']} guesses true")
    ending = ENDINGS.get(str(figures.get("finish")))
    return " · ".join([*parts, *([ending] if ending else [])])
