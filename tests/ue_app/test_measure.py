"""Figures of an answer, from hand-made records: what was not measured is None, never 0."""

from __future__ import annotations

import json

from ue_app.generate import Answer
from ue_app.link import Traffic
from ue_app.measure import Cost, cost_of, sentence


def answer(times: list[float], traffic: tuple[Traffic | None, ...] = (None, None, None),
           ids: int | None = None) -> Answer:
    made = Answer(prompt_tokens=10, reused_tokens=4, started=100.0, traffic_before=traffic[0])
    made.times = times
    made.ids = [7] * (len(times) if ids is None else ids)
    made.traffic_after_prompt, made.traffic_after = traffic[1], traffic[2]
    return made


SENT = (Traffic(1000, 500), Traffic(3000, 600), Traffic(3400, 720))


def test_all_of_it() -> None:
    cost = cost_of(answer([100.5, 100.75, 101.0, 101.5, 102.5], SENT))
    assert cost == Cost(
        prompt_tokens=10, reused_tokens=4, tokens=5, time_to_first_token=0.5,
        tokens_per_second=2.0, bytes_up=2400, bytes_down=220,
        bytes_up_per_token=100.0, bytes_down_per_token=30.0)


def test_nothing_was_sent() -> None:
    cost = cost_of(answer([100.5, 100.75]))
    assert (cost.bytes_up, cost.bytes_down) == (None, None)
    assert (cost.bytes_up_per_token, cost.bytes_down_per_token) == (None, None)
    assert cost.tokens_per_second == 4.0


def test_one_token_has_no_rate() -> None:
    cost = cost_of(answer([100.5], SENT))
    assert cost.time_to_first_token == 0.5
    assert cost.tokens_per_second is None
    assert cost.bytes_up_per_token is None
    assert cost.bytes_up == 2400


def test_cancelled_before_the_first_token() -> None:
    cost = cost_of(answer([], (SENT[0], None, SENT[1])))
    assert (cost.tokens, cost.time_to_first_token, cost.tokens_per_second) == (0, None, None)
    assert (cost.bytes_up, cost.bytes_up_per_token) == (2000, None)


def test_a_clock_that_stood_still() -> None:
    assert cost_of(answer([100.5, 100.5])).tokens_per_second is None


def test_it_is_json() -> None:
    cost = cost_of(answer([100.5, 100.75], SENT))
    assert json.loads(json.dumps(cost.to_dict())) == cost.to_dict()
    assert list(cost.to_dict()) == list(Cost.__dataclass_fields__)


def test_in_one_line() -> None:
    line = sentence(cost_of(answer([100.5, 100.75], SENT)), "layers here")
    assert line == ("2 tokens · first after 500 ms · 4.0 tokens/s · 400 B up and 120 B down a "
                    "token · 4 of 10 prompt tokens not sent again · layers here")
    bare = Answer(10, 0, 100.0, None)
    assert sentence(cost_of(bare), "here") == "0 tokens · here"
