"""The error tree: the picture on top of the module is the tree, and an error reads as a line."""

from __future__ import annotations

import re

import pytest

import edge_server.errors
import ue_app.errors


@pytest.mark.parametrize("module", [edge_server.errors, ue_app.errors])
def test_the_picture_is_the_tree(module: object) -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (module.__doc__ or "").splitlines():
        match = re.match(r"( {4}[│├└─ ]*)([A-Z]\w+)", line)
        if match:
            path = [*path[: len(match.group(1)) // 4 - 1], match.group(2)]
            drawn[match.group(2)] = path[-2] if len(path) > 1 else "Exception"
    real = {name: kind.__bases__[0].__name__ for name, kind in vars(module).items()
            if isinstance(kind, type) and issubclass(kind, Exception)}
    assert drawn == real


@pytest.mark.parametrize("kind", [edge_server.errors.EdgeError, ue_app.errors.PhoneError])
def test_an_error_reads_as_problem_and_remedy(kind: type) -> None:
    assert str(kind("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(kind("It broke.")) == "It broke."
    assert (kind("a", "b").problem, kind("a", "b").remedy) == ("a", "b")


def test_a_session_error_keeps_its_code() -> None:
    assert edge_server.errors.SessionError(7, "No.", "Wait.").code == 7
