"""The edge that the app starts for itself where none was named and none answers.

It is a process of its own, as any edge: the split is real, only the way between is short. It is
started when first needed, again at the same address when it died, and ends with the app, also
where that is killed.
"""

from __future__ import annotations

import logging
import re
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ue_app.errors import OwnEdgeError

_READY = re.compile(r" on (https?://\S+)\s*$")  # the line by which an edge says where it listens
STOP_SECONDS = 15.0  # an edge lets running answers end; nobody is left to read them
KEPT_LINES = 8  # of what it printed, for the error
MAX_RESTARTS = 5  # of one that dies by itself, until it is asked for again

logger = logging.getLogger("ue_app.own_edge")


class OwnEdge:
    """At most one edge process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)  # that starts an edge; options are added
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._options: list[str] = []
        self._port = 0
        self._restarts = 0
        self._closed = False
        self.url: str | None = None  # where it listens; None while it does not run

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ensure(self, models: Sequence[Path], precision: str, backend: str, context: int) -> str:
        """The address of an edge that serves `models` so; starts it unless it runs already."""
        options = [option for model in models for option in ("--model", str(model))] + [
            "--dtype", precision, "--backend", backend, "--context", str(context),
            # Phone and edge share this machine's processors: more threads would wait for each
            # other.
            "--threads", "1", "--end-with-stdin"]
        with self._lock:
            if self._closed:
                raise OwnEdgeError("The app has closed the edge on this machine.")
            self._restarts = 0
            if self.running and self.url is not None and options == self._options:
                return self.url
            self._stop()
            return self._start(options)

    def close(self) -> None:
        """Stop it, for good."""
        with self._lock:
            self._closed = True
            self._stop()

    def _start(self, options: list[str]) -> str:
        # The port of the edge that died is taken again, so that its address stays true.
        command = [*self._command, "--port", str(self._port), *options]
        self._process = process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        self._options = options
        said: deque[str] = deque(maxlen=KEPT_LINES)
        assert process.stdout is not None  # it was asked for
        for line in process.stdout:
            said.append(line.strip())
            found = _READY.search(line)
            if found:
                self.url = found.group(1)
                self._port = int(self.url.rsplit(":", 1)[1])
                threading.Thread(target=self._watch, args=(process,), daemon=True).start()
                return self.url
        _reap(process)
        process.stdout.close()
        self._process, self._port = None, 0
        raise OwnEdgeError(
            "The edge on this machine did not start: " + (" ".join(said) or "it said nothing."),
            "Name one that runs in the settings, or try `airsplit edge` by itself.")

    def _stop(self) -> None:
        self.url = None
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        _reap(process)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Start the edge again should it die: the link is waiting for it."""
        assert process.stdout is not None  # it was asked for
        with process.stdout:
            for _ in process.stdout:
                pass  # read, lest a full pipe stops the edge
        _reap(process)
        with self._lock:
            if self._process is not process or self._restarts == MAX_RESTARTS:
                return
            self._restarts += 1
            logger.warning("The edge on this machine ended (%s); starting it again.",
                           process.returncode)
            try:
                self._start(self._options)
            except OwnEdgeError as error:
                logger.error("%s", error)


def _reap(process: subprocess.Popen[str]) -> None:
    """Once it is over. Its input was open until here: that is how it knew that the app lives."""
    process.wait()
    assert process.stdin is not None  # it was asked for
    process.stdin.close()
