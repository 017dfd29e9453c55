"""A process that steers with a real store, and says over its standard output what it sends.

It is killed by `test_killed.py` at any moment. The base station is in the process that kills: it
answers `ack CALL` or `shares LLM REST` on standard input, and outlives this one.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from pathlib import Path

from tests.xapp.steering_scene import CELL, LLM, REST, facts, wish
from xapp.actuators.base import E2Control
from xapp.actuators.registry import ActuatorConfig, for_node
from xapp.decisions import Expectation, Metric
from xapp.observations import Cell, Load, Observations, Slice
from xapp.steering import Steering
from xapp.steering_types import AtStart, Command, Remember, SendStep, SteeringConfig
from xapp.store import Committed, NotCommitted, Report, Store
from xapp.store_read import Reader


def main(path: Path, wishes: bool) -> None:
    """Steer until killed; with `wishes`, always for something new."""
    happened: queue.Queue[Report | str] = queue.Queue()
    store = Store(path, happened.put)
    with Reader(path) as reader:
        left = reader.left(store.run)
    config = SteeringConfig(at_start=AtStart.ADOPT, actions_in_a_row=1000)
    steering = Steering(config, lambda node: for_node(
        node.profile, node.functions, ActuatorConfig(remote=True)), store.run)

    def listen() -> None:
        for line in sys.stdin:
            happened.put(line)

    threading.Thread(target=listen, daemon=True).start()

    def do(commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Remember):
                store.put(command.record, command.ticket)
            elif isinstance(command, SendStep):
                step = command.step
                assert isinstance(step, E2Control)
                words = json.dumps([step.oid, step.header.hex(), step.message.hex()],
                                   separators=(",", ":"))
                print(f"send {command.call} {words}", flush=True)

    do(steering.start(left, time.monotonic()))
    do(steering.node(facts("spec"), time.monotonic()))
    turn = 0
    while True:
        one = happened.get()
        now = time.monotonic()
        if isinstance(one, Committed):
            do(steering.committed(one.ticket, now))
        elif isinstance(one, NotCommitted):
            do(steering.not_committed(one.ticket, one.why, now))
        elif isinstance(one, str) and one.startswith("ack"):
            do(steering.acknowledged(int(one.split()[1]), now))
        elif isinstance(one, str):
            llm, rest = map(float, one.split()[1:])
            do(steering.observe(observed(llm, rest, now), now))
            do(steering.tick(now))
            if wishes and steering.quiet:
                turn += 1
                minimum = 55 + 10 * (turn % 4)
                do(steering.decide(wish(minimum=minimum, expected=(Expectation(
                    (CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=minimum - 4.0,
                    at_most=minimum + 4.0),)), now))
            print("quiet" if steering.quiet and not store.waiting else "busy", flush=True)


def observed(llm: float, rest: float, now: float) -> Observations:
    slices = {LLM: Slice(LLM, None, 0.0, Load(now, down_prbs=llm)),
              REST: Slice(REST, None, 0.0, Load(now, down_prbs=rest))}
    return Observations(now, {CELL: Cell(CELL, 106, Load(now, down_prbs=100.0), slices)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "wishes")
