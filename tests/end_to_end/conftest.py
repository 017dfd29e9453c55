"""The bed that most of these tests share: it is brought up once, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import namespaces
from tests.end_to_end.bed import Bed
from tests.leftovers import left_behind
from xapp.ric import usrsctp


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Everything but the crowd's traffic, which waits for its order."""
    if not namespaces.available():
        pytest.skip("no network namespaces here")
    if not usrsctp.available():
        pytest.skip("libusrsctp2 is not installed")
    folder: Path = tmp_path_factory.mktemp("bed")
    with Bed(folder) as made:
        made.start()
        yield made
        made.check()
    assert left_behind(made.settings.name, folder) == []
    assert not made._sockets.exists()
