"""Compiles what a cell of slots runs, ahead of time: `python -m testbed.ran.warm`.

Set-up runs it, so that no user waits a minute or two for a first slot. It runs none, and sends no
packet.
"""

from __future__ import annotations

import numpy as np

from testbed.ran.plane import warm as plane
from testbed.ran.ran_cell import compile_now
from testbed.ran.traffic.arrivals import arrivals
from testbed.ran.traffic.packets import packets_of


def warm() -> None:
    """Call each compiled function, with the types that it is called with."""
    packets_of(arrivals(1), np.zeros(1, np.int64))
    compile_now(plane.smallest())
    plane.warm()


if __name__ == "__main__":
    warm()
