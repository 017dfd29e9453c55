"""Groups' names, counts and traffic are read as the loop needs them; nothing is said twice."""

from __future__ import annotations

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.own_cell import GROUP, IN_THE_PLACE, count_of, name_of, said_twice, traffic_of


def test_what_is_left_out_has_a_meaning() -> None:
    assert (name_of({}), count_of({}), traffic_of({})) == (GROUP, 1, [])
    group = {"name": "near", "count": 3, "traffic": [{"kind": "poisson"}]}
    assert (name_of(group), count_of(group)) == ("near", 3)
    assert traffic_of(group) == [{"kind": "poisson"}]


@pytest.mark.parametrize("count", [0, -1, "many", 1.5, True, None])
def test_a_count_that_is_none_is_named(count: object) -> None:
    with pytest.raises(TestbedFailure, match="near has a count of"):
        count_of({"name": "near", "count": count})


@pytest.mark.parametrize("traffic", [5, "poisson", {"kind": "poisson"}, [5], ["poisson"]])
def test_traffic_that_is_no_list_is_named(traffic: object) -> None:
    with pytest.raises(TestbedFailure, match="traffic of the crowd's group near"):
        traffic_of({"name": "near", "traffic": traffic})


@pytest.mark.parametrize(("whole", "simple"), IN_THE_PLACE.items())
def test_what_is_said_twice_is_refused_also_where_it_is_the_same(whole: str, simple: str) -> None:
    with pytest.raises(TestbedFailure, match=f"`{whole}` and `{simple}`"):
        said_twice({whole: [{}], simple: 5})
    said_twice({whole: [{}]})
    said_twice({whole: [], simple: 5})
