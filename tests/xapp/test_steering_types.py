"""A configuration that cannot work is refused."""

from __future__ import annotations

import pytest

from tests.xapp.steering_scene import LLM, REST
from xapp.errors import ConfigurationError
from xapp.steering_types import SteeringConfig


@pytest.mark.parametrize("wrong", [
    {"floors": {LLM: 60, REST: 50}}, {"ack_seconds": 0.0}, {"actions_per_minute": -1.0},
    {"undo_attempts": 0}, {"actions_in_a_row": 0}])
def test_a_configuration_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        SteeringConfig(**wrong)  # type: ignore[arg-type]  # the values are what is wrong
