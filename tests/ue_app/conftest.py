"""Fixtures: edges that do as a test says, and phones of small models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ue_app.phone_scene import OPTIONS, MakePhone
from tests.ue_app.scripted import EdgeThat, scripted_edges
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.wire import LinkConfig


@pytest.fixture
def edge_that() -> Iterator[EdgeThat]:
    with scripted_edges() as start:
        yield start


@pytest.fixture
def phone() -> Iterator[MakePhone]:
    """`phone(folder, url, split=2)` is a phone; without a URL every layer runs in it."""
    opened: list[Phone] = []

    def make(folder: Path | Sequence[Path], url: str | None = None, **changes: Any) -> Phone:
        models = (folder,) if isinstance(folder, Path) else tuple(folder)
        config = PhoneConfig(models, LinkConfig(url) if url else None, OPTIONS, max_new_tokens=12,
                             chunk=8)
        opened.append(open_phone(replace(config, **changes)))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()
