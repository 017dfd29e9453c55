"""One page that opens anywhere without a network: figures, tables and text in one HTML file.

Pictures are part of it, in both themes and for both a desk and a phone; tables are sorted where
they are. It does not know what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcap_tools.look import DARK, LIGHT, Draw, inline_svg, write_whole

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Column:
    """Of a table; numbers stand at the right and are sorted as such, largest first."""

    name: str
    number: bool = False


@dataclass(frozen=True)
class Cell:
    """Of a table: what is read, and what it is sorted by where that differs."""

    text: str
    sort: float | None = None
    colour: str | None = None  # a name of the look's
    anchor: str | None = None  # the part of the page that tells more


class Page:
    """Grows from top to bottom."""

    def __init__(self, title: str, subtitle: str) -> None:
        self.title, self.subtitle = title, subtitle
        self._parts: list[dict[str, Any]] = []
        self._figures = 0

    def cells(self, cells: Sequence[tuple[str, str]]) -> None:
        """A few large figures: name and value of each."""
        self._parts.append({"kind": "cells", "cells": list(cells)})

    def heading(self, text: str, level: int = 2, anchor: str | None = None) -> None:
        self._parts.append({"kind": "heading", "text": text, "level": level, "anchor": anchor})

    def text(self, text: str, soft: bool = False) -> None:
        self._parts.append({"kind": "text", "text": text, "soft": soft})

    def note(self, text: str, lines: Sequence[str] = ()) -> None:
        """Something a reader must not miss."""
        self._parts.append({"kind": "note", "text": text, "lines": list(lines)})

    def figure(self, draw: Draw, title: str, caption: str = "") -> None:
        """A picture; `title` is for those who cannot see it."""
        self._figures += 1
        self._parts.append({"kind": "figure", "caption": caption,
                            "svg": inline_svg(draw, f"p{self._figures}", title)})

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]],
              rest: str = "", wrap: bool = False) -> None:
        """A table whose heads sort it; `rest` says what is not in it.

        Long text makes it scroll sideways, unless it may `wrap`.
        """
        self._parts.append({
            "kind": "table", "columns": list(columns), "rest": rest, "wrap": wrap,
            "rows": [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
                     for row in rows]})

    def open(self, text: str, anchor: str | None = None) -> None:
        """Begin what is folded up until somebody wants it."""
        self._parts.append({"kind": "open", "text": text, "anchor": anchor})

    def close(self) -> None:
        self._parts.append({"kind": "close"})

    def html(self) -> str:
        from jinja2 import Environment

        environment = Environment(autoescape=True, trim_blocks=False)
        return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
            title=self.title, subtitle=self.subtitle, parts=self._parts, light=LIGHT, dark=DARK)

    def write(self, path: Path) -> None:
        """As one file, whole or not at all."""
        write_whole(path, self.html().encode())
