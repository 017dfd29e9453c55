"""An edge that serves one session's rows at a time: what batching is compared with.

It takes the options of `airsplit edge`; all but the queue is the edge's own.

    python -m tests.benchmarks.one_by_one --sessions 16 --port 8470
"""

from __future__ import annotations

import sys
from unittest import mock

from edge_server.batching import BatchQueue, Slice
from testbed import cli


class OneByOne(BatchQueue):
    """Steps of one session each, in turn."""

    def take(self) -> list[Slice]:
        for number in self._sessions:
            return [self._advance(number, self._max_rows)]
        return []


def main() -> int:
    with mock.patch("edge_server.worker.BatchQueue", OneByOne):
        return cli.main(["edge", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
