"""Draws made ahead are those the edge makes, position by position, in any order."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from edge_server.engine.sampling import Sampler
from edge_server.messages import Sampling
from ue_app.drafts.coupled import KEPT_STATES, Coupled

VOCABULARY, FIRST, COUNT = 90, 7, 40
CHOICES = (Sampling(), Sampling(temperature=0.8, top_k=20, seed=5),
           Sampling(temperature=1.3, top_p=0.8, repetition_penalty=1.2, seed=6),
           Sampling(repetition_penalty=1.4))


def scores(index: int) -> torch.Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(index)) * 2


@pytest.mark.parametrize("sampling", CHOICES)
def test_the_same_scores_are_chosen_from_alike(sampling: Sampling) -> None:
    sampler, coupled = Sampler(sampling, FIRST), Coupled(sampling, FIRST, VOCABULARY)
    answer: list[int] = []
    for index in range(COUNT):
        token = sampler.choose(scores(index), FIRST + index)
        assert coupled.choose(scores(index), answer) == token
        answer.append(token)


@pytest.mark.parametrize("sampling", CHOICES)
def test_in_any_order_and_again(sampling: Sampling) -> None:
    sampler, answer = Sampler(sampling, FIRST), list[int]()
    for index in range(COUNT):
        answer.append(sampler.choose(scores(index), FIRST + index))
    coupled, order = Coupled(sampling, FIRST, VOCABULARY), random.Random(3)
    for _ in range(200):
        index = order.randrange(COUNT)
        assert coupled.choose(scores(index), answer[:index]) == answer[index]


def test_what_is_remembered_is_bounded() -> None:
    coupled = Coupled(CHOICES[1], 0, VOCABULARY)
    for index in range(4 * KEPT_STATES):
        coupled.choose(scores(index), [0] * index)
    assert len(coupled._states) == KEPT_STATES


def test_a_vocabulary_that_is_shorter_draws_with_the_numbers_of_the_longer() -> None:
    """A draft model may lack the last, unused ids: the others keep their numbers."""
    sampling = Sampling(temperature=1.0, seed=8)
    agreed = 0
    for seed in range(50):
        sampler = Sampler(replace(sampling, seed=seed), 0)
        coupled = Coupled(replace(sampling, seed=seed), 0, VOCABULARY)
        answer: list[int] = []
        for index in range(4):
            whole = scores(100 * seed + index)
            whole[80:] = -30.0  # hardly ever chosen
            token = sampler.choose(whole, index)
            agreed += coupled.choose(whole[:80], answer) == token
            answer.append(token)
    assert agreed == 200


def test_two_distributions_agree_as_often_as_they_can() -> None:
    """Far more often than two draws of their own would."""
    agreed = alone = 0
    shared = 0.0
    for seed in range(600):
        ours = scores(seed)
        theirs = ours + 0.5 * scores(seed + 10_000)
        sampling = Sampling(temperature=1.0, seed=seed)
        token = Sampler(sampling).choose(theirs, 0)
        agreed += Coupled(sampling, 0, VOCABULARY).choose(ours, []) == token
        alone += Sampler(replace(sampling, seed=seed + 5000)).choose(ours, 0) == token
        one, other = torch.softmax(ours, 0), torch.softmax(theirs, 0)
        shared += float(torch.minimum(one, other).sum())
    assert alone < 0.2 * 600
    assert 0.75 * shared < agreed <= 600
