"""Models of phones: what is fitted comes back out, files are kept, hostile ones are one error."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.phone_model import (
    BUNDLED,
    PhoneModel,
    fit_model,
    read_models,
    write_models,
)
from testbed.ran.traffic.recording import Recording, read_recording
from xapp.errors import ConfigurationError


def recording(folder: Path, seed: int = 1, seconds: int = 60) -> Recording:
    """A phone that gets bursts of large packets, acknowledges every other, and is silent."""
    chance = np.random.default_rng(seed)
    lines = ["Time,Source,Destination,Length"]
    for second in range(0, seconds, 3):
        for number in range(int(chance.integers(20, 200))):
            at = second + chance.random()
            lines.append(f"{at:.6f},1.1.1.1,10.0.0.1,{chance.integers(900, 1401)}")
            if number % 2:
                lines.append(f"{at + 0.001:.6f},10.0.0.1,1.1.1.1,52")
    path = folder / f"phone-{seed}.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_recording(TrafficConfig(Kind.REPLAY, file=path))


def test_a_model_tells_what_was_recorded(tmp_path: Path) -> None:
    found = recording(tmp_path)
    model = fit_model([found])
    octets = found.size[found.direction == 0].sum()
    assert model.down_kbps == pytest.approx(octets * 8 / 1000 / model.seconds, rel=0.01)
    assert model.seconds == pytest.approx(found.seconds, abs=0.2)
    assert 0.5 < model.silent_share < 0.75
    # Two of three seconds are silent, in one piece.
    assert 15 < float(np.mean(model.silences)) < 25
    assert all(52 <= one <= 1400 for row in model.down_bytes[1:] for one in row)
    assert {one for row in model.up_bytes[1:] for one in row} == {52.0}


def test_no_move_leads_from_one_recording_to_the_next(tmp_path: Path) -> None:
    parts = [recording(tmp_path, seed) for seed in (1, 2)]
    model = fit_model(parts)
    assert model.seconds == pytest.approx(sum(one.seconds for one in parts), abs=0.4)


def test_too_short_a_recording_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("Time,Source,Destination,Length\n0,10.0.0.1,1.1.1.1,600\n")
    with pytest.raises(ConfigurationError, match="longer ones"):
        fit_model([read_recording(TrafficConfig(Kind.REPLAY, file=path))])


def test_reading_inverts_writing(tmp_path: Path) -> None:
    models = {"bursts": fit_model([recording(tmp_path)])}
    write_models(tmp_path / "phones.json", models, "a test")
    assert read_models(tmp_path / "phones.json") == models
    with pytest.raises(ConfigurationError, match="--out"):
        write_models(tmp_path / "nowhere" / "phones.json", models, "")


def test_the_bundled_models_are_of_recorded_phones() -> None:
    models = read_models(BUNDLED)
    assert set(models) == {"embb", "urllc", "mmtc"}
    assert "MIT" in json.loads(BUNDLED.read_text())["source"]
    # Video comes down, calls go both ways, what runs in the background is little.
    assert models["embb"].down_kbps > 10 * models["embb"].up_kbps
    assert models["urllc"].up_kbps > 0.5 * models["urllc"].down_kbps
    assert models["mmtc"].down_kbps < 0.1 * models["embb"].down_kbps
    assert models["mmtc"].silent_share > 0.8


VALUES = st.recursive(
    st.none() | st.floats() | st.text(max_size=3) | st.integers(-3, 10**30),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=6)


@given(st.sampled_from(sorted(PhoneModel.__dataclass_fields__)), VALUES)
def test_hostile_files_are_one_error(tmp_path_factory: pytest.TempPathFactory, name: str,
                                     value: Any) -> None:
    document = json.loads(BUNDLED.read_text())
    document["models"]["embb"][name] = value
    path = tmp_path_factory.getbasetemp() / "hostile.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(ConfigurationError):
        read_models(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"format": "airsplit-phones-1"}',
                                  '{"format": "airsplit-phones-1", "models": {"a": 3}}'])
def test_what_is_no_file_of_models_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phones.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="no phones' models"):
        read_models(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_models(tmp_path)
