"""Choosing tokens: against transformers' own processors, repeatable, and safe with any scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from edge_server.engine.sampling import (
    Sampler,
    choose_drafted,
    choose_many,
    penalised,
    warped,
)
from edge_server.errors import SessionError
from edge_server.messages import ErrorCode, Sampling

HUGE = 3.4028e38  # about the largest float32

# Few different values, so that ties are common; and values of every size. Ties come in short lists
# only: the library sorts longer ones unstably, and which of equal scores top-p drops is chance.
scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=16) | st.lists(
    st.floats(-50, 50, width=32), min_size=1, max_size=40, unique=True) | st.lists(
    st.sampled_from([0.0, -0.0, 1e-30, -1e-30, 88.0, -88.0, 1e4, -1e4]), min_size=1, max_size=16)
choices = st.builds(
    Sampling, temperature=st.sampled_from([0.01, 0.5, 0.7, 1.0, 1.3, 5.0, 100.0]),
    top_k=st.sampled_from([0, 1, 2, 5, 39, 40, 100]),
    top_p=st.sampled_from([1e-6, 0.1, 0.5, 0.9, 0.95, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 1e-6, 0.05, 0.5, 1.0]), seed=st.integers(0, 2**63 - 1))


def library_warpers(sampling: Sampling) -> Any:
    """transformers' own, in the order `generate` applies them."""
    steps: list[Any] = []
    if sampling.temperature != 1.0:
        steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p > 0.0:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return LogitsProcessorList(steps)


def library_scores(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    ids: Any = torch.zeros(1, 0, dtype=torch.long)
    result: torch.Tensor = library_warpers(sampling)(ids, logits[None].clone())[0]
    return result


@settings(max_examples=400)
@given(scores, choices)
@example([1.0, 1.0, 1.0], Sampling(temperature=1.0, top_k=1))
@example([1.0, 1.0, 0.0], Sampling(temperature=1.0, top_p=1e-6))
@example([-1e4, 1e4], Sampling(temperature=0.01, min_p=1.0))
def test_the_same_scores_as_transformers(values: list[float], sampling: Sampling) -> None:
    logits = torch.tensor(values)
    assert torch.equal(warped(logits, sampling), library_scores(logits, sampling))


MIXTURES = (
    Sampling(temperature=0.8, top_k=50), Sampling(temperature=1.2, top_p=0.9),
    Sampling(temperature=0.9, min_p=0.05),
    Sampling(temperature=0.7, top_k=64, top_p=0.95, min_p=0.01),
    Sampling(temperature=1.0, top_k=4999, top_p=0.5, min_p=0.2),
)


@pytest.mark.parametrize("sampling", MIXTURES, ids=range(5))
def test_the_same_scores_over_a_vocabulary(sampling: Sampling) -> None:
    for seed in range(20):
        logits = torch.randn(5000, generator=torch.Generator().manual_seed(seed)) * 4
        assert torch.equal(warped(logits, sampling), library_scores(logits, sampling))


@pytest.mark.parametrize("sampling", MIXTURES, ids=range(5))
def test_ties_over_a_vocabulary(sampling: Sampling) -> None:
    """How many fall to top-p is the library's, and so is everything above the last one kept."""
    for seed in range(20):
        logits = (torch.randn(5000, generator=torch.Generator().manual_seed(seed)) * 4).round()
        ours, theirs = warped(logits, sampling), library_scores(logits, sampling)
        assert torch.equal(ours.sort().values, theirs.sort().values)
        weakest = ours[ours > -torch.inf].min()
        assert bool((logits[ours != theirs] / sampling.temperature == weakest).all())


@settings(max_examples=200)
@given(st.lists(st.floats(-30, 30, width=32), min_size=8, max_size=20),
       st.lists(st.integers(0, 7), min_size=1, max_size=6), st.floats(0.01, 100),
       st.lists(st.integers(0, 7), max_size=5))
def test_the_same_repetition_penalty(
    values: list[float], answer: list[int], penalty: float, prompt: list[int]
) -> None:
    """The library's, told to leave the prompt out of it."""
    logits = torch.tensor(values)
    ids: Any = torch.tensor([prompt + answer])
    theirs: Any = RepetitionPenaltyLogitsProcessor(
        penalty, prompt_ignore_length=len(prompt))(ids, logits[None].clone())
    assert torch.equal(penalised(logits, set(answer), penalty), theirs[0])


@given(scores, choices, st.integers(1, 6))
def test_choices_are_those_of_generate(
    values: list[float], sampling: Sampling, steps: int
) -> None:
    """The whole chain with its random draws, as `generate` makes them."""
    sampler, logits = Sampler(sampling), torch.tensor(values)
    torch.manual_seed(sampling.seed)
    for step in range(steps):
        probabilities = torch.softmax(library_scores(logits, sampling), dim=-1)
        assert sampler.choose(logits, step) == int(torch.multinomial(probabilities[None], 1))


@given(scores)
def test_greedy(values: list[float]) -> None:
    logits = torch.tensor(values)
    sampler = Sampler(Sampling())
    assert [sampler.choose(logits, at) for at in range(3)] == [int(torch.argmax(logits))] * 3


@given(scores, choices)
def test_greedy_ignores_the_other_choices(values: list[float], sampling: Sampling) -> None:
    logits = torch.tensor(values)
    greedy = Sampling(0.0, sampling.top_k, sampling.top_p, sampling.min_p, 1.0, sampling.seed)
    assert Sampler(greedy).choose(logits, 0) == int(logits.argmax())


def test_a_greedy_answer_with_a_penalty() -> None:
    sampler = Sampler(Sampling(repetition_penalty=2.0))
    logits = torch.tensor([3.0, 2.0, -1.0])
    assert [sampler.choose(logits, at) for at in range(7, 11)] == [0, 1, 0, 0]


def test_a_penalty_makes_negative_scores_lower_too() -> None:
    assert penalised(torch.tensor([-2.0, 4.0, 1.0]), {0, 1}, 2.0).tolist() == [-4.0, 2.0, 1.0]


@given(st.integers(0, 2**63 - 1))
def test_a_seed_repeats(seed: int) -> None:
    logits = torch.zeros(1000)
    first, second = Sampler(Sampling(1.0, seed=seed)), Sampler(Sampling(1.0, seed=seed))
    assert ([first.choose(logits, at) for at in range(8)]
            == [second.choose(logits, at) for at in range(8)])


def test_seeds_differ_and_nobody_elses_randomness_matters() -> None:
    logits = torch.zeros(1000)
    answers = []
    for seed in range(20):
        torch.manual_seed(99)
        sampler = Sampler(Sampling(1.0, seed=seed))
        answers.append(tuple(sampler.choose(logits, at) for at in range(4)))
    assert len(set(answers)) == 20
    torch.manual_seed(5)
    sampler = Sampler(Sampling(1.0, seed=0))
    assert tuple(sampler.choose(logits, at) for at in range(4)) == answers[0]


def test_two_answers_at_once_do_not_share_their_randomness() -> None:
    logits = torch.zeros(1000)
    alone = Sampler(Sampling(1.0, seed=1))
    expected = [alone.choose(logits, at) for at in range(6)]
    one, other = Sampler(Sampling(1.0, seed=1)), Sampler(Sampling(1.0, seed=2))
    got = []
    for at in range(6):
        got.append(one.choose(logits, at))
        other.choose(logits, at)
    assert got == expected


ANSWER = 12  # tokens
PENALISED = Sampling(1.0, repetition_penalty=1.7, seed=11)


def several(seed: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(40, generator=generator) for _ in range(ANSWER)]


@pytest.mark.parametrize("sampling", [PENALISED, Sampling(repetition_penalty=1.7)])
@given(back=st.lists(st.integers(0, ANSWER - 1), max_size=8))
def test_a_position_asked_again_gives_the_same_token(sampling: Sampling, back: list[int]) -> None:
    """Rows that a link lost, repeated or held back lead to the same answer."""
    logits, first = several(), 100
    undisturbed = Sampler(sampling)
    expected = [undisturbed.choose(logits[at], first + at) for at in range(ANSWER)]
    sampler, held = Sampler(sampling, first), 0
    for end in [*back, ANSWER - 1]:
        for at in range(min(end, held), end + 1):
            assert sampler.choose(logits[at], first + at) == expected[at]
        held = end + 1


@pytest.mark.parametrize("sampling", [PENALISED, Sampling(repetition_penalty=1.7)])
@pytest.mark.parametrize("held", [0, 1, 5, ANSWER - 1])
def test_an_answer_goes_on_elsewhere(sampling: Sampling, held: int) -> None:
    """Another edge, told the tokens so far, chooses as the first would have."""
    logits = several()
    undisturbed = Sampler(sampling)
    expected = [undisturbed.choose(logits[at], at) for at in range(ANSWER)]
    sampler = Sampler(sampling, 0, expected[:held])
    assert [sampler.choose(logits[at], at) for at in range(held, ANSWER)] == expected[held:]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0)])
def test_scores_that_are_none(bad: float, sampling: Sampling) -> None:
    logits = torch.zeros(10)
    logits[3] = bad
    with pytest.raises(SessionError, match=r"no usable scores.*same, undamaged model") as caught:
        Sampler(sampling).choose(logits, 0)
    assert caught.value.code == ErrorCode.UNUSABLE_ROWS


@settings(max_examples=300)
@given(st.lists(st.sampled_from([HUGE, -HUGE, HUGE / 3, 0.0, 1.0]), min_size=1, max_size=8),
       st.builds(Sampling, temperature=st.sampled_from([0.0, 0.01, 0.5, 1.0, 100.0]),
                 top_k=st.sampled_from([0, 2]), top_p=st.sampled_from([0.5, 1.0]),
                 min_p=st.sampled_from([0.0, 0.5]),
                 repetition_penalty=st.sampled_from([0.01, 1.0, 100.0])))
def test_extreme_scores(values: list[float], sampling: Sampling) -> None:
    """Finite scores of any size give a token, or the phone's error: never a crash."""
    sampler = Sampler(sampling)
    for at in range(3):
        try:
            token = sampler.choose(torch.tensor(values), at)
        except SessionError as error:
            code = error.code
        else:
            assert 0 <= token < len(values)
            continue
        assert code == ErrorCode.UNUSABLE_ROWS


@given(st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=30), choices)
def test_something_is_always_left(values: list[float], sampling: Sampling) -> None:
    logits = torch.tensor(values)
    left = warped(logits, sampling) > -torch.inf
    assert float(logits[left].max()) == float(logits.max())
    assert bool(left[Sampler(sampling).choose(logits, 0)])


def test_the_callers_logits_are_untouched() -> None:
    logits = torch.randn(50)
    before = logits.clone()
    sampler = Sampler(Sampling(0.5, 5, 0.9, 0.1, 1.5, 3))
    for at in range(4):
        sampler.choose(logits, at)
    assert torch.equal(logits, before)


class Scores:
    """An output head whose rows are the scores themselves; it counts how often it was asked."""

    def __init__(self) -> None:
        self.wanted: list[list[int]] = []

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        return rows

    def likeliest(
        self, rows: torch.Tensor, wanted: Sequence[int]
    ) -> tuple[list[int | None], torch.Tensor]:
        self.wanted.append(list(wanted))
        return [int(row.argmax()) if row.isfinite().all() else None for row in rows
                ], rows[list(wanted)]

    def bytes(self) -> int:
        return 0


MANY = (Sampling(), Sampling(temperature=0.8, top_k=5, seed=3), Sampling(repetition_penalty=1.5),
        Sampling(temperature=1.2, top_p=0.9, repetition_penalty=1.1, seed=4), Sampling())


def test_many_answers_at_once_choose_as_each_alone() -> None:
    samplers, alone = ([Sampler(sampling) for sampling in MANY] for _ in range(2))
    output = Scores()
    for step in range(12):
        rows = torch.randn(len(MANY), 200, generator=torch.Generator().manual_seed(step)) * 3
        positions = [step + 10 * number for number in range(len(MANY))]
        assert choose_many(output, rows, samplers, positions) == [
            sampler.choose(row, position)
            for sampler, row, position in zip(alone, rows, positions, strict=True)]
    assert output.wanted == [[1, 2, 3]] * 12  # one pass a step, and scores only where they count


def test_an_answer_taken_up_again_knows_what_it_took() -> None:
    """The likeliest is remembered like any other choice: a row that comes again replaces it."""
    sampler, rows = Sampler(Sampling()), torch.eye(5)
    for position in (3, 4, 5, 4):
        assert choose_many(Scores(), rows[position - 1 :][:1], [sampler], [position]) == [
            position - 1]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_one_answers_unusable_scores_are_its_own_error(bad: float) -> None:
    rows = torch.randn(len(MANY), 50, generator=torch.Generator().manual_seed(1))
    expected = choose_many(Scores(), rows, [Sampler(one) for one in MANY], [0] * len(MANY))
    for broken in range(len(MANY)):
        damaged = rows.clone()
        damaged[broken, 7] = bad
        results = choose_many(
            Scores(), damaged, [Sampler(one) for one in MANY], [0] * len(MANY))
        error = results.pop(broken)
        assert isinstance(error, SessionError)
        assert error.code == ErrorCode.UNUSABLE_ROWS
        assert results == expected[:broken] + expected[broken + 1:]


def test_scores_that_leave_the_range_are_that_answers_error() -> None:
    """Finite scores over a small temperature are none: told as an error, not raised."""
    rows = torch.tensor([[HUGE, 0.0], [1.0, 2.0]])
    results = choose_many(
        Scores(), rows, [Sampler(Sampling(temperature=0.01)), Sampler(Sampling())], [0, 0])
    assert isinstance(results[0], SessionError)
    assert results[1] == 1


def one_by_one(sampler: Sampler, rows: torch.Tensor, position: int) -> list[int]:
    return [sampler.choose(row, position + index) for index, row in enumerate(rows)]


@pytest.mark.parametrize("sampling", MANY)
def test_drafts_choose_what_would_be_chosen_one_by_one(sampling: Sampling) -> None:
    """As many as come true and the one after them, wherever the first wrong one is."""
    for seed in range(30):
        rows = torch.randn(5, 40, generator=torch.Generator().manual_seed(seed)) * 2
        expected = one_by_one(Sampler(replace(sampling, seed=seed)), rows, 3)
        for wrong in range(5):
            drafts = [token if index < wrong else (token + 1) % 40
                      for index, token in enumerate(expected[:4])]
            sampler = Sampler(replace(sampling, seed=seed))
            assert choose_drafted(Scores(), rows, [sampler], [3], [drafts]) == [
                expected[: wrong + 1]]
            # What was not accepted has left no trace: the answer goes on as it would have.
            if wrong < 4:
                assert one_by_one(sampler, rows[wrong + 1 :], 4 + wrong) == expected[wrong + 1 :]


def test_drafts_beside_answers_without_any() -> None:
    rows = torch.randn(8, 60, generator=torch.Generator().manual_seed(3)) * 2
    samplers, alone = ([Sampler(sampling) for sampling in MANY[:3]] for _ in range(2))
    first = one_by_one(alone[0], rows[:3], 0)
    second = alone[1].choose(rows[3], 9)
    third = one_by_one(alone[2], rows[4:], 20)
    drafts = [first[:2], [], [third[0], (third[1] + 1) % 60, 4]]
    assert choose_drafted(Scores(), rows, samplers, [0, 9, 20], drafts) == [
        first, [second], third[:2]]


def test_unusable_scores_after_a_draft_are_met_by_the_next_step() -> None:
    rows = torch.eye(4)
    rows[2] = torch.nan
    assert choose_drafted(Scores(), rows, [Sampler(Sampling())], [0], [[0, 1, 2]]) == [[0, 1]]
    assert choose_drafted(Scores(), rows, [Sampler(Sampling())], [0], [[0, 3, 2]]) == [[0, 1]]
    (error,) = choose_drafted(Scores(), rows[2:], [Sampler(Sampling())], [2], [[2]])
    assert isinstance(error, SessionError)


def test_what_is_drawn_with_drafts_has_the_distribution_of_what_is_drawn_without() -> None:
    """Chi square over a tiny vocabulary: two tokens drawn with a fixed guess for the first."""
    logits = torch.tensor([[1.0, 0.0, -0.5], [0.3, 1.2, 0.0]])
    chances = torch.softmax(logits, dim=-1)
    counts, draws = torch.zeros(3, 3), 4000
    for seed in range(draws):
        sampler = Sampler(Sampling(temperature=1.0, seed=seed))
        (tokens,) = choose_drafted(Scores(), logits, [sampler], [0], [[seed % 3]])
        assert isinstance(tokens, list)
        if len(tokens) == 1:  # the guess was wrong: the next row comes in a step of its own
            tokens.append(sampler.choose(logits[1], 1))
        counts[tokens[0], tokens[1]] += 1
    expected = draws * chances[0][:, None] * chances[1][None, :]
    assert float(((counts - expected) ** 2 / expected).sum()) < 26.1  # 8 degrees, p = 0.001
