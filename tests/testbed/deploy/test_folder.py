"""Files that cannot be read are findings, each of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.folder import read
from tests.testbed.deploy.sites import lab


@pytest.mark.parametrize(("name", "data", "words"), [
    ("gnb/gnb.yaml", b"a: [", "no YAML"),
    ("gnb/gnb.yaml", b"\xff\xfe\x00", "cannot be read"),
    ("gnb/gnb.yaml", b"x" * (1 << 21), "more than 1 MiB"),
    ("subscribers.json", b"{", "no JSON"),
    ("ue/phone.conf", b"imsi = 1", "no sections"),
])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    folder = lab(tmp_path)
    (folder / name).write_bytes(data)
    found, findings = read(folder)
    assert [one.file for one in findings] == [name]
    assert words in findings[0].problem
    assert name not in found.documents


def test_values_are_looked_up_through_lists_and_mappings(tmp_path: Path) -> None:
    found, findings = read(lab(tmp_path))
    assert not findings
    assert found.at("open5gs/amf.yaml", "amf", "tai", 0, "tac") == 7
    assert found.at("open5gs/amf.yaml", "amf", "tai", 9, "tac") is None
    assert found.at("open5gs/amf.yaml", "amf", "tai", "tac") is None
    assert found.at("none.yaml", "x") is None
    assert found.items("open5gs/amf.yaml", "amf", "amf_name") == []
