"""Errors of the testbed that a person can act on; the command line prints each as one line.

    EdgeError
    └── TestbedFailure
        ├── NotRoot        namespaces and their devices need privileges that this process has not
        └── LinkFailure    an emulated link could not be set up
"""

from __future__ import annotations

from edge_server.errors import EdgeError


class TestbedFailure(EdgeError):
    """Base of the tree."""

    __test__ = False  # its name begins as a test's does


class NotRoot(TestbedFailure):
    """Namespaces and their devices need privileges that this process has not."""


class LinkFailure(TestbedFailure):
    """An emulated link could not be set up."""
