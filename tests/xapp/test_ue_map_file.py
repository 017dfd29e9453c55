"""A UE map as a document: what is read, and how mistakes are named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp import ue_map_file
from xapp.e2.common import plmn_octets
from xapp.e2.ue_id import Guami
from xapp.errors import ConfigurationError
from xapp.observations import CellKey, Snssai, UeKey
from xapp.ue_map import UeEntry
from xapp.ue_map_file import parse, read

GOOD = """
ues:
  - {address: 10.45.0.2, node: gnb_1, ue: "du:3", slice: 1-000001, cell: "00000000A"}
  - {address: "2001:DB8::1", slice: 1}
"""


def test_yaml_and_json(tmp_path: Path) -> None:
    wanted = (UeEntry("10.45.0.2", UeKey("gnb_1", "du:3"), Snssai(1, 1),
                      CellKey("gnb_1", "00000000a")), UeEntry("2001:db8::1", slice=Snssai(1)))
    path = tmp_path / "ues.yaml"
    path.write_text(GOOD)
    assert read(path) == wanted
    assert parse(json.dumps({"ues": [
        {"address": "10.45.0.2", "node": "gnb_1", "ue": "du:3", "slice": "1-000001",
         "cell": "00000000a"}, {"address": "2001:db8::1", "slice": "1"}]}).encode(), "x") == wanted
    assert parse(b"ues: []", "x") == ()


def test_an_amf_s_name_of_a_ue() -> None:
    entry, = parse(b"ues: [{address: 10.0.0.1, amf_id: 17, guami: 00101-2-1-0}]", "x")
    assert entry.core_name == (17, Guami(plmn_octets("00101"), 2, 1, 0))


@pytest.mark.parametrize(("document", "says"), [
    (b"", "no list"), (b"ues: 5", "no list"), (b"- 1", "no list"), (b"{", "neither"),
    (b"a: [", "neither"), (b"\xff\xfe", "neither"), (b"ues: [1]", "x, entry 1: it is no mapping"),
    (b"ues: [{slice: 1}]", "no address"), (b"ues: [{address: 10.0.0.300}]", "'10.0.0.300'"),
    (b"ues: [{address: 10.0.0.1, slyce: 1}]", "'slyce' is none of"),
    (b"ues: [{address: 10.0.0.1}, {address: 10.0.0.2, slice: 1-1}]", "entry 2: '1-1' is no S-NSS"),
    (b"ues: [{address: 10.0.0.1, ue: 'du:3'}]", "together with `node`"),
    (b"ues: [{address: 10.0.0.1, amf_id: 17}]", "goes with `amf_id`"),
    (b"ues: [{address: 10.0.0.1, guami: 00101-2-1-0}]", "goes with `guami`"),
    (b"ues: [{address: 10.0.0.1, amf_id: 17, guami: 00101-256-1-0}]", "NETWORK-REGION"),
    (b"ues: [{address: 10.0.0.1, amf_id: true, guami: 00101-2-1-0}]", "a number"),
    (b"ues: [{address: 10.0.0.1, node: g, ue: 3}]", "put it in quotes"),
    (b"ues: [{address: 10.0.0.1, node: g, ue: 'x:3'}]", "no name of a UE"),
    (b"ues: [{address: 10.0.0.1, node: g, cell: 1}]", "put it in quotes"),
    (b"ues: [{address: 10.0.0.1, node: g, cell: '1'}]", "nine hexadecimal"),
    (b"ues: [{address: 10.0.0.1, teid_up: -1}]", "no tunnel"),
    (b"ues: &a [*a]", "anchors"), (b"[" * 100_000, "neither"),
    (b"ues: " + b"[" * 100_000, "lists within"), (b"ues: " + b"[" * 5 + b"]" * 5, "entry 1"),
    (b"\n".join(b" " * n + b"-" for n in range(2000)), "lists within")])
def test_mistakes_are_named(document: bytes, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(document, "x")
    assert says in str(caught.value)


def test_from_the_network_only_json_is_read() -> None:
    assert parse(b'{"ues": [{"address": "10.0.0.1"}]}', "x", yaml_too=False)
    with pytest.raises(ConfigurationError, match="neither"):
        parse(b"ues: []", "x", yaml_too=False)


def test_what_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ue_map_file, "MOST_ENTRIES", 2)
    monkeypatch.setattr(ue_map_file, "MOST_BYTES", 100)
    with pytest.raises(ConfigurationError, match="3 entries"):
        parse(b"ues: [{address: 10.0.0.1},{address: 10.0.0.2},{address: 10.0.0.3}]", "x")
    with pytest.raises(ConfigurationError, match="larger"):
        parse(b" " * 101, "x")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read(tmp_path / "none.yaml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_map_or_a_configuration_error(data: bytes) -> None:
    with contextlib.suppress(ConfigurationError):
        parse(data, "x")
