"""An answer in its middle, and what happens to edge and cell: it goes on, and is the same answer.

What is the same is what the whole model says in one process, token by token.
"""

from __future__ import annotations

import itertools

import pytest

from classifier.labels import LLM_SPLIT
from testbed import namespaces
from testbed.loop.settings import INTERNET, LLM
from tests.end_to_end.bed import Bed, Question, unsplit

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")]
MIDDLE = 20  # tokens of an answer that are there when something happens
OUTAGE_SECONDS = 5.0


def begun(bed: Bed, question: Question) -> int:
    """An answer that is being written."""
    number = bed.phone.ask(question)
    bed.phone.came(number, MIDDLE)
    assert not bed.phone.ended(number)
    return number


def test_an_edge_that_is_killed_and_comes_back_goes_on(bed: Bed) -> None:
    question = Question("Tell me a story about a king and a bell.", seed=14)
    number = begun(bed, question)
    command = bed.kill("edge")
    had = len(bed.phone.times(number))
    bed.start_edge(command)
    answer = bed.phone.answer(number)
    assert had < len(answer.ids)
    assert answer == unsplit(question)


def test_an_outage_of_the_cell_interrupts_and_changes_nothing(bed: Bed) -> None:
    question = Question("Tell me about a fox in the snow.", seed=13)
    number = begun(bed, question)
    assert bed.tell({"kind": "outage", "seconds": OUTAGE_SECONDS}) == "every cell is out"
    answer = bed.phone.answer(number)
    assert answer == unsplit(question)
    times = bed.phone.times(number)
    longest = max(after - before for before, after in itertools.pairwise(times))
    assert longest > OUTAGE_SECONDS - 1  # the answer did stand while there was no radio


def test_a_handover_changes_the_cell_and_not_the_answer(bed: Bed) -> None:
    question = Question("Why did the old ship never come home?", seed=11)
    number = begun(bed, question)
    for cell in (1, 0):  # and back, once tokens came in the other one
        assert "handed over" in bed.tell({"kind": "handover", "ue": "phone", "cell": cell})
        bed.phone.came(number, len(bed.phone.times(number)) + MIDDLE)
        assert not bed.phone.ended(number)
    assert bed.phone.answer(number) == unsplit(question)


def test_two_phones_of_different_slices_ask_at_once(bed: Bed) -> None:
    questions = (Question("Tell me about a fox in the snow.", seed=15),
                 Question("Tell me a story about a king and a bell.", seed=12))
    with bed.talker_in("crowd1") as other:
        phones = (bed.phone, other)
        numbers = [phone.ask(one) for phone, one in zip(phones, questions, strict=True)]
        for phone, number in zip(phones, numbers, strict=True):
            phone.came(number, MIDDLE)
        slices = {one["address"]: one["slice"] for one in bed.state("/ues")["ues"]}
        assert slices[bed.settings.phone_address] == LLM
        bed.until(lambda: {LLM, INTERNET} <= labelled(bed), "both flows, each with its slice")
        for phone, number, one in zip(phones, numbers, questions, strict=True):
            assert phone.answer(number) == unsplit(one)


def labelled(bed: Bed) -> set[str]:
    """Slices in which the xApp knows of a split model's flow."""
    return {one["slice"].rsplit("/", 1)[-1] for one in bed.ask("flows")
            if one["label"] == LLM_SPLIT and one["slice"] is not None}
