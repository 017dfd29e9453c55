"""No capture is on both sides, whichever way something is held out, except by flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from classifier import splits
from classifier.dataset import Samples
from classifier.splits import Split
from tests.classifier.traffic import samples

WAYS: dict[str, Callable[[Samples], Iterable[Split]]] = {
    "capture": lambda made: splits.by_capture(made, 4, 1),
    "source": splits.by_source,
    "model": lambda made: splits.by_condition(made, ("model",), 3, 1),
    "link": lambda made: splits.by_condition(made, ("link_profile",), 3, 1),
    "both": lambda made: splits.by_condition(made, ("model", "link_profile"), 3, 1),
}


@pytest.fixture(scope="module")
def made() -> Samples:
    return samples(48)


@pytest.mark.parametrize("way", WAYS)
def test_no_capture_is_on_both_sides(made: Samples, way: str) -> None:
    found = list(WAYS[way](made))
    assert len(found) >= 3
    for split in found:
        assert len(split.train)
        assert len(split.test)
        assert not set(made.captures[split.train]) & set(made.captures[split.test])


@pytest.mark.parametrize("way", ["random", *WAYS])
def test_no_flow_is_on_both_sides_and_nothing_is_judged_twice(made: Samples, way: str) -> None:
    found = list(splits.random_split(made, 4, 1) if way == "random" else WAYS[way](made))
    for split in found:
        assert not set(made.flows[split.train]) & set(made.flows[split.test])
    judged = np.concatenate([split.test for split in found])
    assert len(np.unique(judged)) == len(judged)


def test_by_flow_captures_are_on_both_sides(made: Samples) -> None:
    split = next(iter(splits.random_split(made, 4, 1)))
    assert set(made.captures[split.train]) & set(made.captures[split.test])


def test_everything_is_judged_once_by_capture_in_parts_alike(made: Samples) -> None:
    found = list(splits.by_capture(made, 4, 1))
    assert sum(len(split.test) for split in found) == len(made)
    counts = [len(np.unique(made.captures[split.test])) for split in found]
    assert max(counts) - min(counts) <= 2


def test_a_source_is_judged_only_by_classes_others_have() -> None:
    made = samples(12, labels=("web", "bulk", "iot"))
    alone = made.where((made.labels != made.labels[0]) | (made.sources == "a"))
    for split in splits.by_source(alone):
        assert set(alone.sources[split.test]) == {split.name}
        assert set(alone.labels[split.test]) <= set(alone.labels[split.train])


def test_a_condition_that_is_judged_was_never_learnt_from(made: Samples) -> None:
    for split in splits.by_condition(made, ("model", "link_profile"), 3, 1):
        for name in ("model", "link_profile"):
            values = made.condition(name)
            assert not set(values[split.train]) & set(values[split.test])


def test_splits_are_seeded(made: Samples) -> None:
    first, again = (next(iter(splits.by_capture(made, 4, 1))).test for _ in range(2))
    np.testing.assert_array_equal(first, again)
