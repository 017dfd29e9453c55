"""The kernel's SCTP for real, also on machines whose kernel has none: in User-Mode Linux.

The same tests as here run there, with this machine's files, and none of them may be skipped.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests import uml

ROOT = Path(__file__).resolve().parents[3]
FILES = ("test_transport", "test_transport_limits", "test_transport_choice", "test_interop",
         "test_kernel_sctp")
LEAST = 70  # tests that have to pass there; fewer mean that some were lost on the way
SECONDS = 240.0  # it takes 20 on an idle machine, and hangs are what this is for


@pytest.mark.skipif(uml.missing() is not None, reason=str(uml.missing()))
def test_the_kernels_sctp_keeps_every_promise_in_a_kernel_that_has_it() -> None:
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--noconftest", "--color=no",
        "-rsfE", "--tb=short", *(f"tests/xapp/ric/{name}.py" for name in FILES), "-k",
        "kernel or interop"]
    # hmac before sctp: without it, listening fails.
    result = uml.run(command, modules=("hmac", "sctp"), seconds=SECONDS, folder=ROOT,
                     environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert result.code == 0, result.output
    passed = re.search(r"^(\d+) passed", result.output, re.MULTILINE)
    assert passed is not None, result.output
    assert int(passed[1]) >= LEAST, result.output
    assert "skipped" not in result.output, result.output
