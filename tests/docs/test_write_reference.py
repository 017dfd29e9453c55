"""The pages that are made of the code are as the code is."""

from __future__ import annotations

import pytest

from tests.docs import write_reference


@pytest.mark.parametrize("name", sorted(write_reference.pages()))
def test_it_is_in_step(name: str) -> None:
    there = (write_reference.FOLDER / name).read_text(encoding="utf-8")
    assert there == write_reference.pages()[name].rstrip() + "\n", (
        "Run: python -m tests.docs.write_reference")
