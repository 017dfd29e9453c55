"""A finding is one line that says where, what and what to do."""

from __future__ import annotations

from testbed.deploy.findings import error, warning


def test_a_line() -> None:
    said = str(error("tac", "is 7.", "Give 1.", "amf.yaml"))
    assert said == "error  amf.yaml  tac: is 7. Give 1."
    assert str(warning("tac", "is 7.", "Give 1.")).startswith("warning  site.yaml")
