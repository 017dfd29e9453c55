"""Tables of encodings on a terminal of 80 columns: which there are, and a model's figures."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from edge_server.encodings.registry import ENTRIES
from ue_app.encoding_table import Greedy, Quality, Table
from ue_app.encoding_times import RowTime

MICROSECONDS = 1e6  # of a second


def show_encodings(
    console: Console, table: Table | None, times: Mapping[str, RowTime], channels: int
) -> None:
    """Every encoding there is; sizes stay empty where no table has them."""
    title = (f"Encodings of activation rows; microseconds to write and read one of {channels:,} "
             "channels, here and now")
    grid = Grid(title=title, title_justify="left", box=SIMPLE_HEAD)
    grid.add_column("name", no_wrap=True)
    grid.add_column("what it is")
    for column in ("B a row", "write", "read"):
        grid.add_column(column, justify="right", no_wrap=True)
    sizes = next(iter(table.splits.values()), {}) if table is not None else {}
    for entry in ENTRIES:
        size, time = sizes.get(entry.name), times[entry.name]
        grid.add_row(
            entry.name, entry.summary, f"{size.row_bytes:,.0f}" if size else "",
            f"{time.write * MICROSECONDS:,.0f}", f"{time.read * MICROSECONDS:,.0f}")
    console.print(grid)


def show_quality(console: Console, table: Table) -> None:
    """A model's figures, split by split."""
    greedy = table.greedy
    said = f"{table.tokens:,} tokens ({table.text}), {table.precision}, model {table.identity[:12]}"
    if greedy is not None:
        said += (f"; greedy: of {greedy.answers} answers of {greedy.tokens} tokens, "
                 "the token where the middle one leaves that of raw rows, and how many do")
    columns = ["encoding", "error", "KL, nats", "perplexity", "increase, %"]
    console.print(said, highlight=False)
    for split, figures in sorted(table.splits.items()):
        grid = Grid(title=f"split at {split}", title_justify="left", box=SIMPLE_HEAD)
        for column in [*columns, *(["greedy"] if greedy is not None else [])]:
            grid.add_column(column, justify="left" if column == "encoding" else "right",
                            no_wrap=True)
        for name, one in figures.items():
            parted = [_parted(greedy, split, name)] if greedy is not None else []
            grid.add_row(name, f"{one.error:.4f}", f"{one.divergence:.5f}",
                         f"{one.perplexity:,.3f}", _increase(one), *parted)
        console.print(grid)


def _increase(one: Quality) -> str:
    """With its interval; a thousandth of a percent says nothing where it is tens of percents."""
    size = max(abs(one.increase), one.margin)
    digits = 3 if size < 10.0 else 1 if size < 1000.0 else 0
    return f"{one.increase:+,.{digits}f} ± {one.margin:,.{digits}f}"


def _parted(greedy: Greedy, split: int, name: str) -> str:
    """In words; empty where nobody looked."""
    one = greedy.splits.get(split, {}).get(name)
    if one is None:
        return ""
    if not one.parted:
        return "same"
    where = "end" if one.at >= greedy.tokens else f"{one.at:.0f}"
    return f"{where}, {one.parted}/{greedy.answers}"
