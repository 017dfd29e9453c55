"""The quick forward pass equals transformers' own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from testbed.training.fast_forward import IGNORED_TARGET, ChunkedLoss, FastForward
from testbed.training.model import build_model
from tests.testbed.training.toy import toy


@pytest.mark.parametrize(("length", "window", "kv_heads"), [(64, 24, 1), (300, 100, 2)])
def test_loss_and_gradients_equal_transformers(length: int, window: int, kv_heads: int) -> None:
    settings = toy(sliding_window=window, key_value_head_count=kv_heads)
    model = build_model(settings, 320)
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randint(6, 320, (2, length), generator=generator)
    targets = torch.randint(6, 320, (2, length), generator=generator)
    targets[0, : length // 2] = IGNORED_TARGET
    logits = model(input_ids=inputs).logits
    wanted = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED_TARGET, reduction="sum"
    )
    torch.autograd.backward(wanted)
    gradients = {name: value.grad for name, value in model.named_parameters()}
    model.zero_grad()
    loss = FastForward(model, length, torch.float32, False).loss_sum(inputs, targets)
    torch.autograd.backward(loss)
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-3)
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.grad, gradients[name], rtol=1e-3, atol=1e-3)


def test_loss_in_chunks_equals_the_loss_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.training.fast_forward.LOSS_CHUNK_ROWS", 7)
    generator = torch.Generator().manual_seed(4)
    hidden = torch.randn(20, 8, generator=generator, requires_grad=True)
    head = torch.randn(11, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 11, (20,), generator=generator)
    targets[5:9] = IGNORED_TARGET
    logits = functional.linear(hidden, head)
    wanted = functional.cross_entropy(logits, targets, reduction="sum")
    expected = torch.autograd.grad(wanted, (hidden, head))
    loss = ChunkedLoss.apply(hidden, head, targets)  # type: ignore[no-untyped-call]  # torch's is
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(torch.autograd.grad(loss, (hidden, head)), expected)
