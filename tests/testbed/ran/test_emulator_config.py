"""Presets and files: sound, whole, and mistakes named with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.ran.emulator_config import LLM, LOADS, load, preset, ue_map
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.offered_load import Kind
from testbed.ran.reports import AMF
from xapp.e2.common import plmn_octets
from xapp.e2.ue_id import Guami
from xapp.errors import ConfigurationError
from xapp.ue_map_file import parse

SOUND = """
node: {profile: oai, gnb_id: 7, faults: {share: 0.5}}
cells:
  plmn: 00101
  cells: [{nci: 114688, prbs: 51}]
  slices: [{slice: 1-000001, minimum: 20}, {slice: 2}]
  ues:
    - sessions: [{slice: 1-000001, address: 10.46.0.2, dnn: llm, load: {kind: split-llm}}]
    - sessions: [{slice: 2, load: {kind: on-off, down_kbps: 9000}}]
      kbps_per_prb: 300
"""


@pytest.mark.parametrize("name", LOADS)
def test_presets_are_as_heavy_as_they_say(name: str) -> None:
    config = preset("srsran", 2, 5, name).cells
    assert len(config.ues) == 10
    rate = config.ues[1].kbps_per_prb * config.cells[0].prbs
    offered = sum(one.load.down_kbps for ue in config.ues if ue.cell == 0
                  for one in ue.sessions if one.load.kind is Kind.CONSTANT)
    assert offered / rate == pytest.approx(LOADS[name])


def test_one_ue_alone_is_the_split_llm_s() -> None:
    assert [one.slice for one in preset(ues=1).cells.ues[0].sessions] == [LLM]


def test_addresses_and_cells_are_unlike() -> None:
    config = preset(cells=64, ues=128 // 8).cells
    addresses = [one.address for ue in config.ues for one in ue.sessions]
    assert len(set(addresses)) == len(addresses)
    assert len({one.nci for one in config.cells}) == 64


@pytest.mark.parametrize(("arguments", "named"), [
    ({"cells": 0}, "0 cells"), ({"ues": 129}, "129 UEs"), ({"load": "huge"}, "huge")])
def test_presets_that_cannot_be_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        preset(**arguments)  # type: ignore[arg-type]  # each is right but for its value


def test_a_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(SOUND, encoding="utf-8")
    config = load(file)
    assert (config.node.profile, config.node.gnb_id, config.node.faults.share) == ("oai", 7, 0.5)
    assert config.cells.plmn == "00101"
    assert config.cells.slices[0].minimum == 20
    assert config.cells.ues[0].sessions[0].load.kind is Kind.SPLIT_LLM
    ran = FluidCells(config.cells)
    ran.advance(5)
    assert ran.ues[1].sessions[0].dnn == "internet"


@pytest.mark.parametrize(("change", "named"), [
    (("prbs: 51", "prbs: many"), "prbs"), (("profile: oai", "profile: nokia"), "nokia"),
    (("kind: on-off", "kind: bursty"), "kind"), (("slice: 2}]", "slice: 3}]"), "slices"),
    (("node:", "nodes:"), "nodes")])
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(SOUND.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=named):
        load(file)


@pytest.mark.parametrize("ran_ids", [False, True])
def test_its_ue_map_is_read_by_the_xapp(ran_ids: bool) -> None:
    ran = FluidCells(preset(cells=2, ues=3).cells)
    entries = parse(json.dumps(ue_map(ran, "gnb_00101_00019b", ran_ids)).encode(), "it", False)
    assert len(entries) == 6
    llm = next(one for one in entries if one.slice == LLM)
    assert llm.address == "10.46.0.2"
    assert llm.dnn == "llm"
    assert str(llm.ue) == f"gnb_00101_00019b/{'oai' if ran_ids else 'du'}:1"
    assert llm.cell is not None
    assert llm.cell.cell == f"{ran.cells[0].nci:09x}"
    assert llm.core_name == (ran.ues[0].amf_id, Guami(plmn_octets(ran.plmn), *AMF))
