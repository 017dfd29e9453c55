"""A step is from one token to the next, as the loop that had them saw it."""

from __future__ import annotations

import threading
import time

import pytest

from edge_server.engine.sampling import Sampler
from testbed.modes.metering import Step, Steps
from testbed.modes.opening import open_mode
from testbed.modes.policies import Mode
from tests.conftest import MakeCheckpoint, RunEdge
from tests.testbed.modes.test_all_modes import PROMPT, TOKENS, Serving

FOUND = Step(1, 10, 5, 0.2, 0.2, 0.0, 0.01, 0.1, 0.1, 50.0, None)
CHOOSING = 1000.0  # seconds that a choice takes by the clock; far more than all else


def test_a_step_ends_when_the_loop_has_its_token() -> None:
    steps = Steps([FOUND, FOUND])
    steps.settle(49.0, [50.5, 51.0])
    assert [one.seconds for one in steps.done] == [1.5, 0.5]
    assert [one.client for one in steps.done] == pytest.approx([1.3, 0.3])
    assert [one.exchange for one in steps.done] == [0.2, 0.2]  # what was timed within stays


def test_a_token_without_a_step_is_no_answer() -> None:
    with pytest.raises(ValueError, match="zip"):
        Steps([FOUND]).settle(49.0, [50.0, 51.0])


@pytest.mark.parametrize("mode", [Mode.LOCAL, Mode.HANDLE, Mode.SEMANTIC, Mode.PRIVATE])
def test_choosing_a_token_is_in_the_time_of_that_token(
        mode: Mode, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the client chooses, its clock is put forward by every choice, the last one too."""
    folder, me, added = checkpoint_folder("llama"), threading.current_thread(), [0.0]
    choose = Sampler.choose

    def slow(*arguments: object) -> int:
        if threading.current_thread() is me:
            added[0] += CHOOSING
        return choose(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(Sampler, "choose", slow)
    serving, edge = Serving(folder), None
    try:
        if mode is Mode.PRIVATE:
            edge = running_edge(folder, "--backend", "reference", "--dtype", "fp32",
                                "--context", 60).url
        with open_mode(serving.config(mode, folder, edge), lambda: time.monotonic() + added[0]
                       ) as opened:
            answer = opened.ask(PROMPT, TOKENS)
            steps = opened.steps.done
    finally:
        serving.close()
    assert sum(one.seconds for one in steps) == pytest.approx(answer.times[-1] - answer.started)
    assert len(steps) == TOKENS
    for one in steps:
        assert one.seconds == pytest.approx(one.exchange + one.client)
        assert one.client // CHOOSING == (0 if mode is Mode.SEMANTIC else 1)
        assert one.exchange < CHOOSING
