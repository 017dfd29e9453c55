"""Phones for tests: what they are asked and how, and answers whose pieces are seen to be whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from ue_app.generate import Answer
from ue_app.phone import Phone
from ue_app.prompt import Turn

GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, min_p=0.01, repetition_penalty=1.1,
                   seed=11)
TEXT = "the old king said to his son: go out into the world, who are you? it was dark"
OPTIONS = EngineOptions("auto", "auto", 1, 256, 1)
MakePhone = Callable[..., Phone]


def ask(phone: Phone, text: str = TEXT, sampling: Sampling = GREEDY, stop: Sequence[str] = ()
        ) -> Answer:
    """The answer to `text`, whose printed pieces are seen to be its text."""
    return ask_turns(phone, [Turn("user", text)], sampling, stop)


def ask_turns(phone: Phone, turns: Sequence[Turn], sampling: Sampling = GREEDY,
              stop: Sequence[str] = ()) -> Answer:
    ids = phone.prompter.encode_turns(turns)
    pieces = list(phone.conversation.ask(ids, sampling, phone.prompter.stream(stop)))
    answer = phone.conversation.answer
    assert answer is not None
    assert "".join(pieces) == answer.text
    return answer
