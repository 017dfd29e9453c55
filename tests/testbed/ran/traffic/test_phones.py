"""Traffic of modelled phones: rates as recorded, both ways, apart by chance, many at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed.ran.traffic.arrivals import DOWN, SECOND, UP, Arrivals
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.phone_model import BUNDLED, fit_model, read_models, write_models
from testbed.ran.traffic.phones import models_of
from testbed.ran.traffic.sources import make_source
from tests.testbed.ran.traffic.test_phone_model import recording
from xapp.errors import ConfigurationError


def made(config: TrafficConfig, seconds: float, users: int = 1, seed: int = 1) -> Arrivals:
    return make_source(config, [(ue, 0) for ue in range(users)], seed).until(
        round(seconds * SECOND))


def kbps(rows: Arrivals, way: int, seconds: float) -> float:
    return float(rows["size"][rows["direction"] == way].sum()) * 8 / seconds / 1000


@pytest.mark.parametrize("use", ["mmtc", *(pytest.param(use, marks=pytest.mark.slow)
                                           for use in ("embb", "urllc"))])
def test_means_are_those_of_the_recordings(use: str) -> None:
    model = read_models(BUNDLED)[use]
    rows = made(TrafficConfig(Kind.PHONES, uses=(use,), phones=40), 300.0)
    for way, mean in ((DOWN, model.down_kbps), (UP, model.up_kbps)):
        assert kbps(rows, way, 300.0) / 40 == pytest.approx(mean, rel=0.2)
    assert (np.diff(rows["time"]) >= 0).all()


def test_silences_are_as_long_as_recorded(tmp_path: Path) -> None:
    model = fit_model([recording(tmp_path)])
    write_models(tmp_path / "phones.json", {"bursts": model}, "a test")
    rows = made(TrafficConfig(Kind.PHONES, file=tmp_path / "phones.json"), 600.0)
    gaps = np.diff(rows["time"]) / SECOND
    long = gaps[gaps > 1.0]
    assert len(long) == pytest.approx(200, rel=0.1)
    assert long.mean() == pytest.approx(2.0, rel=0.1)


def test_cutting_time_anywhere_gives_the_same() -> None:
    config = TrafficConfig(Kind.PHONES, phones=3, start=0.5, stagger=1.0)
    source = make_source(config, [(0, 0), (1, 0)], 7)
    parts = [source.until(round(end * SECOND)) for end in np.arange(0.013, 6.0, 0.113)]
    whole = made(config, float(np.arange(0.013, 6.0, 0.113)[-1]), 2, 7)
    both = np.concatenate(parts)
    assert sorted(both.tolist()) == sorted(whole.tolist())
    assert whole["time"].min() >= SECOND // 2


def test_phones_differ_and_one_more_user_changes_nothing_for_others() -> None:
    config = TrafficConfig(Kind.PHONES, uses=("urllc",))
    two, three = made(config, 5.0, 2), made(config, 5.0, 3)
    first, second = (two["time"][two["ue"] == ue].tolist() for ue in (0, 1))
    assert first != second
    assert first == three["time"][three["ue"] == 0].tolist()


def test_load_and_speed_make_more_of_it() -> None:
    base = {"kind": Kind.PHONES, "uses": ("mmtc",), "phones": 60}
    once = kbps(made(TrafficConfig(**base), 60.0), DOWN, 60.0)  # type: ignore[arg-type]  # of several types
    for more in ({"load": 3.0}, {"speed": 3.0}):
        rows = made(TrafficConfig(**base, **more), 60.0)  # type: ignore[arg-type]  # of several types
        assert kbps(rows, DOWN, 60.0) == pytest.approx(3 * once, rel=0.2)
    assert rows["size"].max() <= 1400


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="It has embb"):
        models_of(TrafficConfig(Kind.PHONES, uses=("game",)))
    with pytest.raises(ConfigurationError, match="1 to 1000 phones"):
        TrafficConfig(Kind.PHONES, phones=0)
    with pytest.raises(ConfigurationError, match="phones"):
        TrafficConfig(Kind.PHONES, load=0.0)
    assert set(models_of(TrafficConfig(Kind.PHONES))) == {"embb", "urllc", "mmtc"}
