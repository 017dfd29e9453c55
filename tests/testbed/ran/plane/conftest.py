"""What tests of real namespaces share: names of their own, and a reason where there are none."""

from __future__ import annotations

import itertools
import os

import pytest

from testbed import namespaces
from testbed.ran.plane import user_namespace

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A user plane's name that no other test has; skips where no user plane can be."""
    if not namespaces.available():
        reason = user_namespace.why_not()
        pytest.skip("runs as root; as a user by test_user_namespace"
                    if reason is None else f"no root and no user namespaces: {reason}")
    return f"airsplit-test-{os.getpid()}-{next(_numbers)}"
