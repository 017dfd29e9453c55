"""Open5GS's differentiators are hexadecimal digits, and none of them is ffffff."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.claims_core import core_claims
from testbed.deploy.folder import read
from tests.testbed.deploy.sites import lab


@pytest.mark.parametrize(("written", "wanted"), [
    ('"000001"', "1-000001"), ("000001", "1-000001"), ("1", "1-000001"), ('"0A0b0c"', "1-0a0b0c"),
    ("10", "1-000010"), ('"ffffff"', "1"), ('"xyz"', "unreadable")])
def test_a_differentiator_is_read_as_open5gs_reads_it(tmp_path: Path, written: str,
                                                      wanted: str) -> None:
    file = lab(tmp_path) / "open5gs" / "amf.yaml"
    file.write_text(file.read_text().replace('sd: "000001"', f"sd: {written}"))
    said = [claim.value for claim in core_claims(read(tmp_path)[0])
            if claim.topic == "slices" and claim.file == "open5gs/amf.yaml"]
    assert said == [tuple(sorted(["1", wanted]))]


def test_script_and_documents_claim_the_same(tmp_path: Path) -> None:
    said: dict[str, list[tuple[str, object]]] = {"subscribers.sh": [], "subscribers.json": []}
    for claim in core_claims(read(lab(tmp_path, "usrp"))[0]):
        if claim.file in said:
            said[claim.file].append((claim.topic, claim.value))
    assert said["subscribers.sh"] == said["subscribers.json"]
    assert dict(said["subscribers.sh"])["sessions of 001010000000001"] == (
        ("1-000001", "internet"), ("1-000010", "llm"))
