"""What is drawn of a cell: figures between two looks, and dashes for what nobody knows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from testbed.ran.emulator_config import preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.ran_view import UNKNOWN, Extras, Figures, between, draw


def _figures(extras: Extras | None = None, load: str = "overload", ues: int = 4,
             cells: int = 2) -> Figures:
    ran = FluidCells(preset("srsran", cells, ues, load).cells, 0.0)
    ran.advance(1.0)
    before = ran.snapshot()
    ran.advance(3.0)
    return between(before, ran.snapshot(), ran, extras or Extras())


def _text(figures: Figures, width: int = 120, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(draw(figures, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_ues_slices_and_cells_add_up() -> None:
    figures = _figures()
    assert figures.seconds == pytest.approx(2.0)
    assert [len(figures.cells), len(figures.slices), len(figures.ues)] == [2, 4, 8]
    for rows in (figures.slices, figures.ues):
        assert sum(one.down_mbps for one in rows) == pytest.approx(
            sum(one.down_mbps for one in figures.cells))
        assert sum(one.up_prbs for one in rows) == pytest.approx(
            sum(one.up_prbs for one in figures.cells), abs=0.1)
    assert figures.cells[0].down_prbs == pytest.approx(100, abs=0.5)
    assert 60 < figures.cells[0].down_mbps < 80  # 106 PRBs of 700 kbit/s
    assert figures.cells[0].down_dropped > 0


def test_all_of_it_is_in_the_tables() -> None:
    ran = FluidCells(preset("srsran", 1, 4).cells, 0.0)
    names = {ue.f1_id: f"phone{place}" for place, ue in enumerate(ran.ues)}
    extras = Extras(names, {ue: (1500, 0) for ue in names}, {ue: (27, -1) for ue in names},
                    {"p50": 100.0, "p99": None}, ("a note",))
    text = _text(_figures(extras, cells=1))
    for said in ("phone0", "27/out", "1.5", "slots late by p50 0.10 ms, p99 –", "a note",  # noqa: RUF001  # the dash that is drawn
                 "0-100 % (0)", "1-000001"):
        assert said in text
    assert "…" not in text  # 120 characters are enough


def test_what_is_not_known_is_no_zero() -> None:
    ran = FluidCells(preset("srsran", 1, 4).cells, 0.0)
    nothing = ran.snapshot()
    figures = between(nothing, nothing, ran, Extras())
    assert {one.down_mbps for one in figures.ues} == {0.0}
    assert {one.down_ms for one in figures.ues} == {None}
    assert UNKNOWN in _text(figures)
    assert "late" not in _text(figures)


def test_a_terminal_shows_so_many_ues_and_counts_the_rest() -> None:
    text = _text(_figures(ues=32, cells=1))
    assert "and 14 more UEs" in text
    assert len(text.splitlines()) <= 40


def _told(name: str, ues: int, cells: int = 1) -> Figures:
    """Figures as a run has them: names, queues, MCS, a note that wraps."""
    found = range(1 + ues * cells)
    extras = Extras({ue: f"{name}{ue}" for ue in found}, {ue: (1_234_500, 9_900) for ue in found},
                    {ue: (27, 27) for ue in found}, {"p50": 100.0, "p99": 2000.0, "most": 9000.0},
                    (f"namespaces: {' '.join(f'airsplit-ran-{name}{ue}' for ue in range(6))}",
                     "12.00 s: phone is gone", "14.00 s: phone is back, the last that was said"))
    return _figures(extras, ues=ues, cells=cells)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 24), (80, 50), (120, 40)])
@pytest.mark.parametrize(("ues", "cells"), [(4, 1), (32, 1), (4, 3), (64, 8)])
def test_a_small_terminal_shows_whole_figures_names_and_the_last_note(
        width: int, height: int, ues: int, cells: int) -> None:
    text = _text(_told("crowd", ues, cells), width, height)
    lines = text.splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert "crowd1 " in text
    assert "the last that was said" in lines[-2]
    assert "100 %" in text
    assert ("█" in text) == (width > 100)
    shown = sum(line.startswith(("crowd", " crowd")) for line in lines)
    assert shown == ues * cells or f"and {ues * cells - shown} more UEs" in text


def test_a_long_name_costs_columns_before_it_is_cut() -> None:
    text = _text(_told("somebodys-phone-", 4), 80, 24)
    assert "somebodys-phone-4" in text
    assert "↓ kB" not in text
    assert "↓ Mb/s" in text
    text = _text(_told("a-name-that-nobody-can-read-at-one-glance-", 4), 60, 24)
    assert "a-name-that-nobody" in text
    assert "…" in text
    assert "100 %" in text
    assert max(map(len, text.splitlines())) <= 60
