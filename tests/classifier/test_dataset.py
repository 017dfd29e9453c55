"""Samples keep where they are from, and are the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifier.captures import Capture
from classifier.dataset import behaves, collect, read_samples, write_samples
from classifier.errors import DataError
from classifier.labels import CLASSES
from pcap_tools.flows import Sampled
from tests.classifier.traffic import capture, flow, flow_key


def test_every_named_flow_is_sampled_at_every_stage_it_reaches() -> None:
    samples = collect([capture("one", "a", 1)], seed=1)
    assert len(np.unique(samples.flows)) == 6
    for number in range(6):
        kinds = samples.kinds[samples.flows == number]
        assert {Sampled.PACKETS_5, Sampled.PACKETS_10, Sampled.PACKETS_20,
                Sampled.WHOLE} <= set(kinds.tolist())
        assert len(np.unique(samples.labels[samples.flows == number])) == 1
    assert {CLASSES[code] for code in samples.labels} == {"llm_split", "bulk", "realtime"}
    assert (samples.ages >= 0).all()


def test_flows_that_nobody_named_are_left_out() -> None:
    one = capture("one", "a", 1)
    truth = dict(list(one.truth.items())[:2])
    samples = collect([Capture("one", "a", one.packets, truth)], seed=1)
    assert len(np.unique(samples.flows)) == 2
    with pytest.raises(DataError):
        collect([Capture("one", "a", one.packets, {})], seed=1)


def test_variants_belong_to_their_flow_and_capture_and_differ() -> None:
    captures = [capture("one", "a", 1), capture("two", "b", 2)]
    plain, varied = collect(captures, seed=1), collect(captures, seed=1, variants=2)
    originals = varied.where(varied.variants == 0)
    np.testing.assert_array_equal(plain.vectors, originals.vectors)
    assert set(varied.variants.tolist()) == {0, 1, 2}
    for number in np.unique(varied.flows):
        assert len(np.unique(varied.captures[varied.flows == number])) == 1
    whole = varied.where((varied.kinds == Sampled.WHOLE) & np.isin(varied.variants, (0, 1)))
    both = [number for number in np.unique(whole.flows) if (whole.flows == number).sum() == 2]
    assert both
    for number in both:
        first, second = whole.vectors[whole.flows == number]
        assert not np.array_equal(first, second, equal_nan=True)


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    captures = [capture("one", "a", 1)]
    first, again, other = (collect(captures, seed, variants=1) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors, equal_nan=True)
    assert first.origins == again.origins


def test_windows_are_kept_some_of_each() -> None:
    samples = collect([capture("one", "a", 1)], seed=1, windows=True)
    counts = np.bincount(samples.kinds, minlength=11)
    assert 6 <= counts[Sampled.WINDOW_100_MS] <= 24
    assert counts[Sampled.WINDOW_1_S] > 0


def test_samples_are_kept_in_a_file(tmp_path: Path) -> None:
    samples = collect([capture("one", "a", 1, {"model": "tiny"})], seed=1)
    write_samples(samples, tmp_path / "samples.npz")
    read = read_samples(tmp_path / "samples.npz")
    np.testing.assert_array_equal(read.vectors, samples.vectors)
    assert read.origins == samples.origins
    assert set(read.condition("model")) == {"tiny"}
    (tmp_path / "samples.npz").write_bytes(b"broken")
    with pytest.raises(DataError):
        read_samples(tmp_path / "samples.npz")


def test_a_name_alone_does_not_make_a_film_or_a_call() -> None:
    little = flow([0.01 * number for number in range(10)], [100] * 10)
    much = flow([0.01 * number for number in range(30)], [-1400] * 30)
    assert not behaves("video", little)
    assert behaves("video", much)
    assert not behaves("realtime", little)
    assert behaves("realtime", much)
    assert behaves("web", little)
    named = Capture("one", "a", little, {flow_key(): "video"})
    with pytest.raises(DataError):
        collect([named], seed=1)
    assert len(collect([named], seed=1, curated=False))
