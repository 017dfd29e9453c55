"""Errors of the training.

    Exception
    └── BadTrainingInput   the user gave something unusable; the text says what, and the remedy

Does: name them.
Does not know: how they are shown.
"""

from __future__ import annotations


class BadTrainingInput(Exception):
    """A folder, file or setting that cannot be used."""
