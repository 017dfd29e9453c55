"""The errors of the pcap tools: what is wrong, with which input, and what to do next.

What is wrong with single packets or the end of a capture is no error: it is counted and warned of
(see `records.Counters`), and everything before it is delivered.

    PcapError
    ├── UsageError           an option, or a combination of options, that cannot work
    ├── CaptureError         a file is no capture, or nothing of it can be read
    ├── FilterError          a capture filter that cannot be understood
    ├── LiveError            an interface cannot be listened to or sent on
    │   └── NotPermitted       for want of privileges
    └── OutputError          a result cannot be written
"""

from __future__ import annotations


class PcapError(Exception):
    """Base of the tree: a sentence that says what is wrong, and one that says what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class UsageError(PcapError):
    """An option, or a combination of options, that cannot work."""


class CaptureError(PcapError):
    """A file that is no capture, or of which nothing can be read."""


class FilterError(PcapError):
    """A capture filter that cannot be understood."""


class LiveError(PcapError):
    """An interface that cannot be listened to or sent on."""


class NotPermitted(LiveError):
    """What was asked for needs privileges that this process has not."""


class OutputError(PcapError):
    """A result that cannot be written."""
