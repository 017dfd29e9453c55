"""Compiling ahead runs to its end and leaves nothing running."""

from __future__ import annotations

import threading

from testbed.ran.plane.warm import warm


def test_it_ends() -> None:
    before = threading.active_count()
    warm()
    assert threading.active_count() == before
