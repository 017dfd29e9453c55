"""The decoder that keeps nothing: it computes with the weights and the cache that it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from testbed.modes.errors import BadMessage
from testbed.modes.whole import Whole
from tests.conftest import MakeCheckpoint

IDS = torch.tensor([5, 6, 7])


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder("llama")


def client_of(folder: Path) -> Whole:
    made = Whole(folder, torch.float32)
    made.load()
    return made


def test_its_own_weights_are_none_until_it_is_sent_some(folder: Path) -> None:
    """And those of the last step are the ones it computes with."""
    client, server = client_of(folder), Whole(folder, torch.float32)
    wanted, _ = client.run(IDS, 0, [])
    assert not torch.allclose(server.run(IDS, 0, [])[0], wanted)
    server.take(client.weights())
    assert torch.equal(server.run(IDS, 0, [])[0], wanted)
    server.take({name: one / 2 for name, one in client.weights().items()})
    assert not torch.allclose(server.run(IDS, 0, [])[0], wanted)


def test_what_came_before_is_the_cache_that_it_is_sent(folder: Path) -> None:
    whole = client_of(folder)
    _, cache = whole.run(IDS, 0, [])
    wanted = whole.run(torch.tensor([5, 6, 7, 8]), 0, [])[0][-1]
    assert torch.allclose(whole.run(torch.tensor([8]), 3, cache)[0][-1], wanted, atol=1e-5)
    other = [one + 1 for one in cache]
    assert not torch.allclose(whole.run(torch.tensor([8]), 3, other)[0][-1], wanted, atol=1e-2)


def test_weights_of_another_shape_type_or_name_are_refused(folder: Path) -> None:
    whole = client_of(folder)
    name, first = next(iter(whole.weights().items()))
    for wrong in ({name: first[:1]}, {name: first.bfloat16()}, {f"{name}x": first}):
        with pytest.raises(BadMessage):
            whole.take({key: one for key, one in whole.weights().items() if key != name} | wrong)
