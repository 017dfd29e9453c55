"""The errors of the classifier: what is wrong, with which input, and what to do next.

    ClassifierError
    ├── UsageError            an option, or a combination of options, that cannot work
    ├── DataError             training or evaluation data that cannot be used
    ├── BundleError           a folder that is no model, or not one for here
    │   ├── NotABundle          no manifest, or not of a format that is known
    │   ├── TamperedBundle      a file is not what the manifest says it is
    │   ├── OversizedBundle     more than a model can sensibly need
    │   ├── DamagedBundle       its arrays contradict each other
    │   └── OtherSchema         it was trained on other features than these tools compute
    ├── BadMessage            bytes that are no label message: the one protocol error
    └── TapError              labels cannot be published or asked for
"""

from __future__ import annotations


class ClassifierError(Exception):
    """Base of the tree: a sentence that says what is wrong, and one that says what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class UsageError(ClassifierError):
    """An option, or a combination of options, that cannot work."""


class DataError(ClassifierError):
    """Training or evaluation data that cannot be used."""


class BundleError(ClassifierError):
    """A folder that is no model, or not one for here."""


class NotABundle(BundleError):
    """No manifest, or not of a format that is known."""


class TamperedBundle(BundleError):
    """A file is not what the manifest says it is."""


class OversizedBundle(BundleError):
    """More than a model can sensibly need."""


class DamagedBundle(BundleError):
    """Its arrays contradict each other."""


class OtherSchema(BundleError):
    """It was trained on other features than these tools compute."""


class BadMessage(ClassifierError):
    """Bytes that are no label message."""


class TapError(ClassifierError):
    """Labels that cannot be published or asked for."""
