"""A cell's file: what follows from it, and errors that name the setting and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.ran.mac.channel import Kind as ChannelKind
from testbed.ran.ran_config import (
    RanConfig,
    bearers_of,
    channels_of,
    layout_of,
    load,
    plane_config,
    seconds_of,
    sources_of,
    users_of,
)
from testbed.ran.traffic.arrivals import SECOND
from testbed.ran.traffic.config import Kind
from xapp.config_reading import build
from xapp.errors import ConfigurationError

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "cell.yaml"


def _load(folder: Path, text: str) -> RanConfig:
    path = folder / "cell.yaml"
    path.write_text(text)
    return load(path)


def test_the_example_is_sound_and_all_that_follows_fits_together() -> None:
    config = load(EXAMPLE)
    assert [one.name for one in config.phones] == ["phone", *(f"crowd{n}" for n in range(1, 6))]
    assert config.cells[0].blocks == 106
    assert config.cells[0].slot_us == 1000
    assert bearers_of(config) == {(0, 0): 0, (0, 1): 1, **{(n, 0): n + 1 for n in range(1, 6)}}
    plane = plane_config(config)
    assert [one.sessions[0].address for one in plane.ues] == [f"10.45.0.{n}" for n in range(2, 8)]
    assert plane.ues[0].sessions[1].address == "10.46.0.2"
    assert [users_of(config, one) for one in config.traffic] == [
        [(0, 1)], [(n, 0) for n in range(1, 6)], [(0, 0)]]
    sources = sources_of(config)
    assert [one.kind for one in config.traffic] == [Kind.SPLIT_LLM, Kind.SATURATION, Kind.ON_OFF]
    assert len(sources[1].until(SECOND)) > 5 * 1000
    channels = channels_of(config)
    assert len(channels) == 6
    assert channels[1].cqi.tolist() != channels[2].cqi.tolist()  # alike but for chance


def test_files_are_looked_for_beside_it(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("seconds,cqi\n0,7\n")
    config = _load(tmp_path, """
cells: [{nci: 1}]
ues: [{name: a, channel: {kind: csv, file: c.csv}}]
traffic: [{kind: replay, file: phone.pcap}]
""")
    assert config.ues[0].channel.kind is ChannelKind.CSV
    assert channels_of(config)[0].cqi.tolist() == [7]
    assert config.traffic[0].file == tmp_path.resolve() / "phone.pcap"


def test_a_profile_is_where_the_scheduler_begins(tmp_path: Path) -> None:
    config = _load(tmp_path, """
profile: lte-lab
mac: {bler: 0.2}
cells: [{nci: 1, prbs: 50}]
""")
    assert (config.mac.request_jitter, config.mac.bler) == (16, 0.2)
    assert layout_of(config).prbs == (50,)


def test_the_schedulers_view_has_every_session_in_its_slice() -> None:
    layout = layout_of(load(EXAMPLE))
    assert [(one.ue, one.slice) for one in layout.bearers] == [
        (0, 0), (0, 1), *((n, 0) for n in range(1, 6))]
    assert layout.shares == ((0, 100, 0), (0, 100, 0))
    assert len(layout.channels) == 6


@pytest.mark.parametrize(("text", "said"), [
    ("", r"cell.yaml is not complete: it has no `cells`.*docs/examples/cell.yaml"),
    ("cells: [{}]", r"cells\[0\] is not complete: it has no `nci`"),
    ("cells: []", "cells: each needs an identity"),
    ("cells: [{nci: 1}, {nci: 1}]", "cells: each needs an identity"),
    ("cells: [{nci: 1, bandwidth_mhz: 7}]", r"cells\[0\]: There is no carrier of 7 MHz"),
    ("cells: [{nci: 1, spacing_khz: 60}]", "Give 15 or 30"),
    ("cells: [{nci: 1}, {nci: 2, spacing_khz: 30}]", "slots are of different lengths"),
    ("cells: [{nci: 1}]\nway: {backhaul_loss: 2}", "backhaul_loss is 2.*share from 0 to 1"),
    ("cells: [{nci: 1}]\nway: {backhaul_ms: -1}", "backhaul_ms -1"),
    ("cells: [{nci: 1}]\nslices: [{slice: 1}, {slice: 1}]", "two of one name"),
    ("cells: [{nci: 1}]\nslices: []", "slices: there are none"),
    ("cells: [{nci: 1}]\nslices: [{slice: 1, minimum: 60}, {slice: 2, dedicated: 50}]", "110 %"),
    ("cells: [{nci: 1, colour: red}]", r"no setting 'cells\[0\].colour'"),
    ("cells: [{nci: 1}]\nues: [{cell: 1}]", r"ues\[0\].cell: 1 is none. There are 0 to 0"),
    ("cells: [{nci: 1}]\nues: []", "ues: there are 0. A cell's file has 1 to 1024"),
    ("cells: [{nci: 1}]\nues: [{count: 700}, {name: b, count: 700}]", "ues: there are 1400. "),
    ("cells: [{nci: 1}]\nues: [{}, {}]", "ues: two of one name, 'ue'"),
    ("cells: [{nci: 1}]\nues: [{count: 3}, {name: ue2}]", "ues: two of one name, 'ue2'"),
    ("cells: [{nci: 1}]\nues: [{sessions: [{slice: 2}]}]", r"ues\[0\].sessions: slice 2 is none"),
    ("cells: [{nci: 1}]\nues: [{sessions: [{dnn: ims}]}]", "no network 'ims'"),
    ("cells: [{nci: 1}]\nues: [{channel: {kind: rain}}]", r"ues\[0\].channel.kind"),
    ("cells: [{nci: 1}]\nues: [{channel: {kind: csv}}]", "needs a file"),
    ("cells: [{nci: 1}]\ntraffic: [{ues: [nobody]}]", r"traffic\[0\].ues: there is no UE 'nobody'"),
    ("cells: [{nci: 1}]\ntraffic: [{dnn: llm}]", r"traffic\[0\].dnn: none of its UEs"),
    ("cells: [{nci: 1}]\nues: [{sessions: [{}, {}]}]", r"ues\[0\].sessions: two are in one slice"),
    ("cells: [{nci: 1}]\nprofile: 6g", "profile: there is no '6g'. There are lte-lab"),
    ("cells: [{nci: 1}]\nmac: {pattern: DDD}", "mac.pattern: 'DDD' is none"),
    ("cells: [{nci: 1}]\nmac: {bler: 2}", "mac.bler is 2"),
    ("cells: [{nci: 1}]\nplmn: xyz", "plmn: 'xyz' is no PLMN"),
    ("cells: [{nci: 1}]\nplmn: 1", "plmn: '1' is no PLMN. Write 3 digits.*\"00101\""),
    ("cells: [{nci: 1}]\nway: {name: Big}", "cannot name a namespace"),
    ("cells: [{nci: 1}]\ne2: {map_port: 99999}", "map_port 99999 is no port")])
def test_what_is_wrong_is_said_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _load(tmp_path, text)


def remapped(**parts: object) -> RanConfig:
    """A phone with one session, one with two, one in the slice already; and where flows may go."""
    one, llm = {"dnn": "internet", "slice": "1"}, {"dnn": "llm", "slice": "1-000001"}
    return build(RanConfig, {
        "cells": [{"nci": 1}], "slices": [{"slice": "1"}, {"slice": "1-000001"}],
        "ues": [{"name": "phone", "sessions": [one]}, {"name": "both", "sessions": [one, llm]},
                {"name": "there", "sessions": [llm]}, {"name": "last", "sessions": [one]}],
        "remap": {"slice": "1-000001", "qfi": 5}} | parts)


def test_who_has_one_session_elsewhere_has_a_second_bearer_for_its_flows() -> None:
    config = remapped()
    assert seconds_of(config) == {0: 5, 3: 6}
    layout = layout_of(config)
    assert [(one.ue, one.slice) for one in layout.bearers[5:]] == [(0, 1), (3, 1)]
    assert [(one.bearer, one.second) for _, _, one in plane_config(config).sessions()] == [
        (0, 5), (1, None), (2, None), (3, None), (4, 6)]
    assert plane_config(config).ues[0].sessions[0].second_qfi == 5


def test_without_remapping_nobody_has_another_bearer() -> None:
    config = remapped(remap=None)
    assert (seconds_of(config), len(layout_of(config).bearers)) == ({}, 5)


@pytest.mark.parametrize(("parts", "words"), [
    ({"remap": {"slice": "7"}}, "remap.slice"), ({"backend": "htb"}, "single flows"),
    ({"remap": {"slice": "1-000001", "pcf_port": 70000}}, "pcf_port"),
    ({"ues": [{"sessions": [{"dnn": "llm", "slice": "1-000001"}]}]}, "one session alone"),
    ({"remap": {"slice": "1-000001", "qfi": 64}}, "QFI")])
def test_what_cannot_be_remapped_is_told(parts: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        remapped(**parts)
