"""The queue of deadlines against a sorted list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pcap_tools.timers import move, push, queue, remove

SLOTS = 40


@given(st.lists(st.tuples(st.sampled_from(["push", "move", "remove"]),
                          st.integers(0, SLOTS - 1), st.integers(0, 9)), max_size=150))
@settings(max_examples=100, deadline=None)
def test_the_first_is_always_the_earliest(steps: list[tuple[str, int, int]]) -> None:
    ours, model = queue(SLOTS), {}
    for step, slot, key in steps:
        if step == "push" and slot not in model:
            push(ours, key, slot, slot)
            model[slot] = key
        elif step == "move" and slot in model:
            move(ours, slot, key)
            model[slot] = key
        elif step == "remove" and slot in model:
            remove(ours, slot)
            del model[slot]
        assert ours.size[0] == len(model)
        if model:
            first = min(model, key=lambda one: (model[one], one))
            assert (ours.slot[0], ours.key[0]) == (first, model[first])
        assert all(ours.slot[ours.place[one]] == one for one in model)
