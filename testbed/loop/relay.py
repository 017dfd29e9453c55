"""A tap's label messages, noted with the time they came: `python -m testbed.loop.relay TAP`.

One JSON object a line: that the tap speaks, and each label. With `--to ADDRESS` all of them are
published again there; with `--rotate N` each label is exchanged for the N-th after it in the list
of labels, the same for all flows. That is the control arm of which nobody may profit: labels that
tell flows apart, and are wrong. It knows no flows.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from classifier.labels import CLASSES

if TYPE_CHECKING:
    from classifier.messages import Message
    from classifier.publisher import Publisher, Subscriber

LOOK_SECONDS = 0.2  # within which the end is seen


def main() -> int:
    from classifier.publisher import Publisher, Subscriber

    parser = argparse.ArgumentParser(prog="relay")
    parser.add_argument("tap", metavar="TAP")
    parser.add_argument("--to", metavar="ADDRESS")
    parser.add_argument("--rotate", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    publisher = Publisher(arguments.to) if arguments.to else None
    subscriber = Subscriber(arguments.tap)
    over = threading.Event()
    threading.Thread(target=_until_input_ends, args=(over,), daemon=True).start()
    try:
        listen(subscriber, Relay(publisher, arguments.rotate), over)
    finally:
        subscriber.close()
        if publisher is not None:
            publisher.close()
    return 0


def _until_input_ends(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def listen(subscriber: Subscriber, relay: Relay, over: threading.Event) -> None:
    """All messages, until it is over."""
    from classifier.errors import BadMessage

    while not over.is_set():
        try:
            message = subscriber.receive(LOOK_SECONDS)
        except BadMessage as error:
            print(error, file=sys.stderr, flush=True)
            continue
        if message is not None:
            relay.take(message)


class Relay:
    """Notes and passes on."""

    def __init__(self, publisher: Publisher | None, rotate: int) -> None:
        self._publisher, self._rotate, self._heard = publisher, rotate, False

    def take(self, message: Message) -> None:
        from classifier.messages import Labelled

        if not self._heard:
            self._heard = True
            say({"tap": message.tap, "heard": time.time()})
        if isinstance(message, Labelled):
            say(dataclasses.asdict(message) | {"heard": time.time()})
            message = dataclasses.replace(message, label=rotated(message.label, self._rotate))
        if self._publisher is not None:
            self._publisher.send(message)


def rotated(label: str, places: int) -> str:
    """The label so many places on; what is no class stays."""
    if label not in CLASSES:
        return label
    return CLASSES[(CLASSES.index(label) + places) % len(CLASSES)]


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
