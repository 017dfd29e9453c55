"""Fixtures: edges that do as a test says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ue_app.scripted import EdgeThat, scripted_edges


@pytest.fixture
def edge_that() -> Iterator[EdgeThat]:
    with scripted_edges() as start:
        yield start
