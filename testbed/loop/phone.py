"""A phone that keeps asking, in a process of its own: `python -m testbed.loop.phone EDGE FOLDER N`.

FOLDER has the model, of which the first N layers run here.

One JSON object a line, by the machine's monotonic clock: when it asked, when each token came, when
an answer ended, and what went wrong. An answer that has no line of its end broke off, or is stuck.
It is started inside the UE's namespace, and ends when its input does. A line on the input makes it
begin anew, over a connection of its own, as a phone does that was put away. It knows no cell.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROMPTS = ("Tell me a story about a king and a bell.", "Once upon a time there was a fisherman",
           "Why did the old ship never come home?", "Tell me about a fox in the snow.")
TOKENS = 120  # of an answer at most
RETRY_SECONDS = 0.5  # after an edge that does not answer


def main() -> int:
    edge, model, split = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    stop, anew = threading.Event(), threading.Event()
    threading.Thread(target=_obey, args=(stop, anew), daemon=True).start()
    numbers = itertools.count()  # no two answers have the same, also where one broke off
    while not stop.is_set():
        anew.clear()
        if stop.is_set():  # which set both
            break
        try:
            talk(edge, model, split, anew, numbers)
        except ConnectionAbortedError as error:
            say({"error": str(error), "at": time.monotonic()})
            stop.wait(RETRY_SECONDS)
    return 0


def _obey(stop: threading.Event, anew: threading.Event) -> None:
    for _ in sys.stdin:
        anew.set()
    stop.set()
    anew.set()


def talk(edge: str, model: Path, split: int, stop: threading.Event,
         numbers: Iterator[int]) -> None:
    """Ask over one connection until told to stop or to begin anew."""
    from edge_server.engine.load import EngineOptions
    from edge_server.errors import EdgeError
    from edge_server.messages import Sampling
    from ue_app.errors import PhoneError
    from ue_app.phone import PhoneConfig, open_phone
    from ue_app.prompt import Turn
    from ue_app.wire import LinkConfig

    try:
        phone = open_phone(PhoneConfig((model,), LinkConfig(edge), EngineOptions(threads=1), split,
                                       max_new_tokens=TOKENS))
        try:
            while not stop.is_set():
                number = next(numbers)
                ids = phone.prompter.encode_turns([Turn("user", PROMPTS[number % len(PROMPTS)])])
                asked, seen, how = time.monotonic(), 0, "whole"
                say({"answer": number, "asked": asked})
                pieces = phone.conversation.ask(
                    ids, Sampling(temperature=1.0, top_k=40, seed=number),
                    phone.prompter.stream([]))
                for _ in pieces:
                    answer = phone.conversation.answer
                    assert answer is not None  # `ask` has run
                    for _ in answer.ids[seen:]:
                        say({"answer": number, "token": seen, "asked": asked,
                             "at": time.monotonic()})
                        seen += 1
                    if stop.is_set():
                        pieces.close()
                        phone.conversation.cancel()
                        how = "cancelled"
                        break
                say({"answer": number, "ended": how, "at": time.monotonic()})
        finally:
            phone.link.close()
    except (EdgeError, PhoneError, OSError) as error:
        raise ConnectionAbortedError(str(error)) from error


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
