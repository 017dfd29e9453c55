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


def test_a_command_with_words_missing_is_told(tmp_path: Path) -> None:
    file = lab(tmp_path) / "subscribers.sh"
    file.write_text(file.read_text().replace(" llm 1 000001", " llm 1"))
    said = [claim for claim in core_claims(read(tmp_path)[0])
            if claim.file == "subscribers.sh" and "words" in str(claim.value)]
    assert len(said) == 1
