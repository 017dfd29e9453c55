"""The bed that most of these tests share: it is brought up once, and leaves nothing behind; and a
place for those that start everything themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.loop.settings import LLM
from tests.end_to_end.bed import NAME, Bed
from tests.end_to_end.place import Place
from tests.leftovers import Traces
from xapp.ric import usrsctp


@pytest.fixture
def bed(shared_bed: Bed) -> Bed:
    """As each test finds it, whatever the test before did: nothing is set aside for the model's
    slice, which the xApp gives back by itself where nobody asks, and it sends nothing."""
    shared_bed.until(lambda: shared_bed.shares()[LLM][0] == 0, "the share back as it was")
    shared_bed.watch_only(True)
    return shared_bed


@pytest.fixture(scope="session")
def shared_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Everything but the crowd's traffic, which waits for its order."""
    if not namespaces.available():
        pytest.skip("no network namespaces here")
    if not usrsctp.available():
        pytest.skip("libusrsctp2 is not installed")
    folder: Path = tmp_path_factory.mktemp("bed")
    with Traces(NAME, folder) as traces:
        with temporary_files_in(traces.temporary):
            made = Bed(folder)
        with made:
            with temporary_files_in(traces.temporary):
                made.start()
            yield made
            made.check()
        assert traces.left() == []


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Of this process, and of those that it starts in the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)  # else it is asked for once
        yield


@pytest.fixture
def place() -> Iterator[Place]:
    with Place() as made:
        yield made
