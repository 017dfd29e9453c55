"""The tree of errors: what is in its picture is what there is, and each says what to do."""

from __future__ import annotations

import inspect
import re

import pytest

from xapp import errors
from xapp.errors import XappError

ALL = [one for _, one in inspect.getmembers(errors, inspect.isclass)
       if issubclass(one, XappError)]


@pytest.mark.parametrize("kind", ALL)
def test_problem_and_remedy(kind: type[XappError]) -> None:
    error = kind("It is wrong.", "Do this.")
    assert (str(error), error.problem, error.remedy) == (
        "It is wrong. Do this.", "It is wrong.", "Do this.")
    assert str(kind("It is wrong.")) == "It is wrong."
    assert kind.__doc__


def test_the_picture_of_the_tree_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above = ["XappError"]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ]*)[├└]── (\w+)", line)
        if found is not None:
            depth = len(found[1]) // 4 + 1
            drawn[found[2]] = above[depth - 1]
            above[depth:] = [found[2]]
    assert drawn == {one.__name__: one.__bases__[0].__name__ for one in ALL if one is not XappError}
