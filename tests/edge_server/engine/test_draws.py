"""Draws: what torch would draw, number for number, and the same from wherever they are taken up."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_server.engine import draws
from edge_server.engine.draws import Draws, NativeDraws, TorchDraws, kth_largest, open_draws
from edge_server.engine.kernels import native
from edge_server.engine.kernels.build import NoKernels

LARGE = 262_144  # the vocabulary of Gemma 3
KINDS = [NativeDraws, TorchDraws]


def distribution(kind: str, count: int, seed: int) -> torch.Tensor:
    scores = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    if kind == "even":
        scores = torch.zeros(count)
    elif kind == "peaked":
        scores *= 20
    elif kind == "few":  # as after top-k
        kept = torch.topk(scores, min(5, count)).indices
        scores = torch.full_like(scores, -torch.inf).index_copy(0, kept, scores[kept])
    return torch.softmax(scores, dim=-1)


@pytest.mark.parametrize("kind", ["random", "even", "peaked", "few"])
@pytest.mark.parametrize("count", [1, 2, 39, 311, 312, 313, 5000, LARGE])
def test_they_are_what_torch_draws(kind: str, count: int) -> None:
    for seed in (0, 7, 2**31 + 5, 2**32 + 7, 2**63 - 1):
        ours, generator = NativeDraws(seed), torch.Generator().manual_seed(seed)
        for step in range(6):
            odds = distribution(kind, count, step)
            assert ours.draw(odds) == int(
                torch.multinomial(odds[None], 1, generator=generator))


@settings(max_examples=300)
@given(st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=700).filter(
    lambda odds: sum(odds) > 1e-6), st.integers(0, 2**63 - 1))
def test_any_odds(values: list[float], seed: int) -> None:
    """Unnormalised, with zeros and equals."""
    odds = torch.tensor(values)
    ours, theirs = NativeDraws(seed), TorchDraws(seed)
    assert [ours.draw(odds) for _ in range(3)] == [theirs.draw(odds) for _ in range(3)]


@pytest.mark.parametrize("make", KINDS)
@given(count=st.integers(1, 700), before=st.integers(0, 5), seed=st.integers(0, 2**63 - 1))
def test_passing_over_is_drawing(
    make: type[Draws], count: int, before: int, seed: int
) -> None:
    odds = torch.full((count,), 1 / count)
    drawn, skipped = open_draws(seed), make(seed)  # type: ignore[call-arg]  # of either kind
    for _ in range(before):
        drawn.draw(odds)
    skipped.skip(before * count)
    assert [drawn.draw(odds) for _ in range(3)] == [skipped.draw(odds) for _ in range(3)]


@pytest.mark.parametrize("make", KINDS)
def test_many_are_passed_over(make: type[Draws]) -> None:
    drawn, skipped = make(3), make(3)  # type: ignore[call-arg]  # of either kind
    odds = torch.full((LARGE,), 1 / LARGE)
    for _ in range(3):
        drawn.draw(odds)
    skipped.skip(3 * LARGE)
    assert drawn.draw(odds) == skipped.draw(odds)


@pytest.mark.parametrize("make", KINDS)
def test_a_copy_goes_its_own_way(make: type[Draws]) -> None:
    odds = torch.full((1000,), 1 / 1000)
    one = make(4)  # type: ignore[call-arg]  # of either kind
    one.draw(odds)
    other = one.copy()
    first = [one.draw(odds) for _ in range(4)]
    assert [other.draw(odds) for _ in range(4)] == first
    assert one.draw(odds) == other.draw(odds)


def test_without_a_compiler_torch_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoKernels("There is no compiler.")

    expected = open_draws(5)
    assert isinstance(expected, NativeDraws)
    monkeypatch.setattr(native, "kernels", none)
    for cached in (draws._has_kernels, draws._agrees):
        cached.cache_clear()
    try:
        other = open_draws(5)
        assert isinstance(other, TorchDraws)
        odds = torch.full((100,), 1 / 100)
        assert [expected.draw(odds) for _ in range(3)] == [other.draw(odds) for _ in range(3)]
        assert kth_largest(torch.tensor([1.0, 3.0, 2.0]), 2) == 2.0
    finally:
        for cached in (draws._has_kernels, draws._agrees):
            cached.cache_clear()


def test_a_torch_that_draws_otherwise_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NativeDraws, "draw", lambda self, odds: 0)
    draws._agrees.cache_clear()
    try:
        assert isinstance(open_draws(1), TorchDraws)
    finally:
        draws._agrees.cache_clear()


@settings(max_examples=300)
@given(st.lists(st.integers(-4, 4).map(float) | st.floats(
    allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=300), st.data())
def test_the_kth_largest(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    assert kth_largest(torch.tensor(values), k) == sorted(values, reverse=True)[k - 1]


@pytest.mark.parametrize("k", [1, 40, 64, 4095, 4096, 4097, 200_000, LARGE])
def test_the_kth_largest_of_many(k: int) -> None:
    for seed in range(3):
        values = torch.randn(LARGE, generator=torch.Generator().manual_seed(seed))
        assert kth_largest(values, k) == float(torch.topk(values, k).values[-1])
    equal = torch.full((LARGE,), 2.0)
    assert kth_largest(equal, k) == 2.0
