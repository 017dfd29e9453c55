"""The stream of metrics, as the emulator sends it and as strangers might."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.remote_control import RemoteControl
from tests.testbed.ran.scene import Scene
from xapp.errors import ProtocolError
from xapp.observations import Load
from xapp.ric.srsran_metrics import MOST_CELLS, MOST_UES, StreamCell, StreamUe, read_metrics

UE: dict[str, Any] = {"pci": 1, "rnti": 17921, "cqi": 14, "dl_brate": 11312392.0,
                      "ul_brate": 169600, "ta_ns": None}
READ = StreamUe(1, 17921, 11312.392, 169.6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["cells", "ue_list", "ue_container", "cell_metrics", "pci", "rnti",
                         "dl_brate", "ul_brate"]), inner, max_size=4), max_leaves=20)


def test_both_forms() -> None:
    new = {"timestamp": 1.5, "cells": [{"cell_metrics": {"pci": 1, "late_dl_harqs": 0},
                                        "ue_list": [UE, UE | {"rnti": 2}]}, {"cell_metrics": {}}]}
    first, empty = read_metrics(new)
    assert first.ues[0] == READ
    assert (first.pci, first.down_kbps, first.up_kbps) == (1, 2 * READ.down_kbps, 339.2)
    assert empty == StreamCell(None, ())
    assert read_metrics({"timestamp": 1, "ue_list": [{"ue_container": UE}]}) == (
        StreamCell(1, (READ,)),)
    assert read_metrics({"timestamp": 1, "rlc_metrics": {"du_id": 0}}) == ()


@pytest.mark.parametrize("wrong", [
    {"cells": {}}, {"cells": [5]}, {"cells": [{}] * (MOST_CELLS + 1)}, {"ue_list": [UE]},
    {"cells": [{"ue_list": [UE] * (MOST_UES + 1)}]}, {"cells": [{"ue_list": None}]},
    {"cells": [{"cell_metrics": {"pci": 2}, "ue_list": [UE]}]},
    *({"cells": [{"ue_list": [UE | {name: value}]}]} for name, value in (
        ("pci", 1008), ("pci", True), ("rnti", -1), ("rnti", "1"), ("dl_brate", -1),
        ("dl_brate", float("nan")), ("ul_brate", 1e13), ("ul_brate", None), ("ul_brate", True),
        ("ul_brate", 10**400)))])
def test_what_is_damaged_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        read_metrics(wrong)


@given(st.dictionaries(st.sampled_from(["cells", "ue_list", "x"]), JSON))
def test_hostile_documents_never_crash(fields: dict[str, Any]) -> None:
    with contextlib.suppress(ProtocolError):
        read_metrics(fields)


def test_a_cell_whose_kpm_is_silent_has_the_streams_rates_and_no_slice_has() -> None:
    scene = Scene("srsran").connect().run(3.0)
    control, before = RemoteControl(scene.ran), scene.ran.snapshot()
    scene.run(1.0)
    fields = json.loads(json.dumps(control.metrics(before, scene.ran.snapshot(), 1.0)))
    cells = read_metrics(fields)
    name = scene.stations.stations[0].name
    scene.observer.stream_is(name, cells, scene.now)
    cell, = scene.observations().cells.values()
    assert cell.load.down_prbs is not None  # KPM speaks and goes before
    scene.now += 4.0
    scene.observer.stream_is(name, cells, scene.now)
    cell, = scene.observations().cells.values()
    assert cell.load == Load(scene.now, cells[0].down_kbps, cells[0].up_kbps)
    assert cell.load.down_kbps is not None
    assert cell.load.down_kbps > 50_000
    scene.observer.stream_is(name, cells * 2, scene.now + 1)  # which of them it is, nobody tells
    assert scene.observations().cells[cell.key].load == cell.load
    scene.observer.stream_is("nobody", cells, scene.now)
