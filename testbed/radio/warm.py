"""Compiles the virtual radio's arithmetic ahead of time: `python -m testbed.radio.warm`."""

from __future__ import annotations

import numpy as np

from testbed.radio.kernel import active_power, add_noise, add_path, take_in, turn_taps


def warm() -> None:
    """Call each compiled function once, with the types that the mixer calls it with."""
    samples, taps, one = np.zeros(4, np.float32), np.zeros(2, np.float32), np.zeros(1)
    for message in (bytes(8), bytearray(8)):  # which may be written to or not
        take_in(np.zeros(2, np.uint32), np.frombuffer(message, np.uint32))
    add_path(samples, np.zeros(4, np.float32), 0, 1, np.zeros(1, np.int64), taps, taps)
    turn_taps(np.zeros((1, 1)), np.zeros((1, 1)), 1, one, one, taps)
    add_noise(samples, 1, np.zeros(4, np.float32), 0, 0.0, 0.0)
    active_power(samples, 0, 2)


if __name__ == "__main__":
    warm()
