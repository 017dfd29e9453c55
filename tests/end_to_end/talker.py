"""A phone that asks what it is told: `python -m tests.end_to_end.talker EDGE MODEL`.

An order is a line of JSON, {"number": 1, "prompt": ..., "seed": 7, "tokens": 100}. Each token that
comes is a line, and then the whole answer is. It runs in a UE's namespace and knows no cell.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

PATIENCE = 120.0  # seconds for an edge that starts again on a busy machine


@dataclass(frozen=True)
class Answer:
    """All that came."""

    ids: list[int]
    text: str
    finish: str


def main() -> int:
    edge, model = sys.argv[1], Path(sys.argv[2])
    phone = opened(model, LinkConfig(edge, patience=PATIENCE))
    say({"ready": True})
    try:
        for line in sys.stdin:
            order = json.loads(line)
            number = order.pop("number")

            def came(token: int, number: int = number) -> None:
                say({"number": number, "token": token, "at": time.monotonic()})

            found = ask(phone, came=came, **order)
            say({"number": number, "ids": found.ids, "text": found.text, "finish": found.finish})
    finally:
        phone.link.close()
    return 0


def opened(model: Path, link: LinkConfig | None) -> Phone:
    return open_phone(PhoneConfig((model,), link, EngineOptions(threads=1)))


def ask(phone: Phone, prompt: str, seed: int, tokens: int,
        came: Callable[[int], None] = lambda token: None) -> Answer:
    """One question by itself, with choices that a seed repeats."""
    ids, seen = phone.prompter.encode_turns([Turn("user", prompt)]), 0
    for _ in phone.conversation.ask(ids, Sampling(temperature=1.0, top_k=40, seed=seed),
                                    phone.prompter.stream([]), tokens):
        answer = phone.conversation.answer
        assert answer is not None  # `ask` has run
        for token in answer.ids[seen:]:
            came(token)
        seen = len(answer.ids)
    answer = phone.conversation.answer
    assert answer is not None
    return Answer(list(answer.ids), answer.text, str(answer.finish))


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
