"""How plots and reports look: colours of both themes, and figures turned into PNG or SVG.

Figures are drawn in the light theme's colours; on a page these become style variables, so one
picture serves both themes. It does not know what is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by people who see red and green alike, and on both grounds; no two are the same.
LIGHT: Mapping[str, str] = {
    "page": "#ffffff", "raised": "#f4f5f6", "text": "#16191d", "soft": "#5b6670",
    "line": "#e3e6e9", "up": "#0f766e", "down": "#d9730d", "accent": "#0f766f",
    "prefill": "#7c3aed", "decode": "#2f8f5b", "pause": "#c4cbd1", "setup": "#8b95a1",
    "bad": "#b91c1c",
    "c0": "#2563eb", "c1": "#d97706", "c2": "#059669", "c3": "#be185d", "c4": "#6d28d9",
    "c5": "#0891b2", "c6": "#65a30d", "c7": "#dc2626", "c8": "#92592b", "c9": "#475569",
    "other": "#94a3b8"}
DARK: Mapping[str, str] = {
    "page": "#101315", "raised": "#1b2023", "text": "#e8ebed", "soft": "#98a4ad",
    "line": "#2b3237", "up": "#2dd4bf", "down": "#fb9a3c", "accent": "#2dd4be",
    "prefill": "#a78bfa", "decode": "#4ade80", "pause": "#4a545c", "setup": "#76818a",
    "bad": "#f87171",
    "c0": "#60a5fa", "c1": "#fbbf24", "c2": "#34d399", "c3": "#f472b6", "c4": "#c4b5fd",
    "c5": "#22d3ee", "c6": "#a3e635", "c7": "#f98080", "c8": "#d6a37c", "c9": "#94a3b7",
    "other": "#64748b"}
SERIES = tuple(f"c{number}" for number in range(10))
WIDE, NARROW = 9.0, 4.3  # inches: a page on a desk, and a phone of 390 pixels
PIXELS_PER_INCH = 150  # of a PNG
FONTS = ["system-ui", "DejaVu Sans", "sans-serif"]
# Plain words around a picture would be a title to hover over everywhere; dates make files differ.
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Look:
    """Colours and width of one rendering."""

    colours: Mapping[str, str]
    width: float = WIDE  # inches

    @property
    def narrow(self) -> bool:
        return self.width < 6

    def __getitem__(self, name: str) -> str:
        return self.colours[name]


Draw = Callable[[Look], "Figure"]


@contextmanager
def _settings(look: Look) -> Iterator[None]:
    import matplotlib

    values: dict[str, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "airsplit", "font.size": 8.5,
        "font.family": ["DejaVu Sans"], "path.simplify": True,
        "axes.edgecolor": look["soft"], "axes.labelcolor": look["soft"],
        "axes.titlecolor": look["text"], "axes.titlesize": 9.5, "axes.titlelocation": "left",
        "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
        "axes.linewidth": 0.7, "axes.grid": True, "axes.axisbelow": True, "axes.titlepad": 7,
        "axes.facecolor": "none", "grid.color": look["line"], "grid.linewidth": 0.7,
        "xtick.color": look["soft"], "ytick.color": look["soft"], "text.color": look["text"],
        "xtick.labelcolor": look["soft"], "ytick.labelcolor": look["soft"],
        "xtick.major.width": 0.7, "ytick.major.width": 0.7, "xtick.major.size": 3,
        "ytick.major.size": 0, "legend.frameon": False, "legend.fontsize": 8.5,
        "axes.unicode_minus": True, "figure.facecolor": look["page"]}
    with matplotlib.rc_context(values):  # type: ignore[arg-type]  # it lists every name there is
        yield


def svg(draw: Draw, look: Look) -> str:
    """The picture as a document of its own."""
    with _settings(look):
        figure = draw(look)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    # The same letters as were measured, or the reader's own of about the same width.
    return re.sub(r"<!DOCTYPE.*?>\s*", "", text, flags=re.DOTALL)


def png(draw: Draw, look: Look) -> bytes:
    """The picture in pixels."""
    with _settings(look):
        buffer = io.BytesIO()
        draw(look).savefig(buffer, format="png", dpi=PIXELS_PER_INCH)
    return buffer.getvalue()


def inline_svg(draw: Draw, name: str, title: str) -> str:
    """The picture as part of a page, once for a desk and once for a phone, in the page's colours.

    `name` sets its identifiers apart from other pictures' on the page.
    """
    parts = []
    for width, kind in ((WIDE, "wide"), (NARROW, "narrow")):
        text = svg(draw, Look(LIGHT, width))
        text = re.sub(r"<\?xml.*?\?>\s*", "", text, flags=re.DOTALL)
        text = _themed(_named(text, f"{name}-{kind}"))
        text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
        text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
        text = text.replace("<svg ", f'<svg class="{kind}" role="img" aria-label="{title}" ', 1)
        parts.append(text)
    return "".join(parts)


def _named(text: str, name: str) -> str:
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]*)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)


def _themed(text: str) -> str:
    """Colours of the light theme become variables of the page."""
    names = {value: name for name, value in LIGHT.items()}
    return re.sub("#[0-9a-f]{6}", lambda found: f"var(--{names[found[0]]})"
                  if found[0] in names else found[0], text)


def write_pictures(pictures: Sequence[tuple[str, Draw]], look: Look, path: Path) -> None:
    """One PNG or SVG file, by its name, with the titled pictures below each other."""
    draws = [_titled(title, draw) for title, draw in pictures]
    if path.suffix.lower() == ".png":
        write_whole(path, _stacked_png([png(draw, look) for draw in draws]))
    else:
        write_whole(path, _stacked_svg([svg(draw, look) for draw in draws], look).encode())


def _titled(title: str, draw: Draw) -> Draw:
    def with_title(look: Look) -> Figure:
        figure = draw(look)
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold",
                        color=look["text"])
        return figure

    return with_title


def _stacked_png(images: Sequence[bytes]) -> bytes:
    if len(images) == 1:
        return images[0]
    import numpy as np
    from matplotlib.image import imread, imsave

    buffer = io.BytesIO()
    imsave(buffer, np.concatenate([imread(io.BytesIO(image)) for image in images]), format="png",
           dpi=PIXELS_PER_INCH)
    return buffer.getvalue()


def _stacked_svg(images: Sequence[str], look: Look) -> str:
    if len(images) == 1:
        return images[0]
    top, parts = 0.0, []
    for number, text in enumerate(images):
        found = re.search(r'height="([\d.]+)pt"', text)
        assert found is not None, "matplotlib says how high a picture is"
        body = _named(re.sub(r"<\?xml.*?\?>\s*", "", text, flags=re.DOTALL), f"p{number}")
        parts.append(body.replace("<svg ", f'<svg y="{top:g}" ', 1).replace("pt\"", "\"", 2))
        top += float(found[1])
    width = look.width * 72
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{width:g}pt" height="{top:g}pt" viewBox="0 0 {width:g} {top:g}">\n'
            + "\n".join(parts) + "</svg>\n")


def write_whole(path: Path, data: bytes) -> None:
    """A file that is there under its name once all of it is."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # there is none, or the disk is read-only
            part.unlink()
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.",
                          "Free some space, mend the permissions, or name another file.") from error
