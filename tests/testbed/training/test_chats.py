"""Chat samples cut from stories."""

from __future__ import annotations

from random import Random

from testbed.training.chats import cut_chats, find_topic, split_sentences
from tests.testbed.training.toy import toy_story


def test_sentences_keep_their_quotes_and_titles() -> None:
    text = 'Mr. Brown came. "Who is it?" he asked. "I am." Then silence!'
    assert split_sentences(text) == [
        "Mr. Brown came.",
        '"Who is it?" he asked.',
        '"I am."',
        "Then silence!",
    ]


def test_a_topic_is_found_with_its_article() -> None:
    assert find_topic("It rained. An old fisherman sat there.") == "an old fisherman"
    assert find_topic("It rained all day.") is None


def test_chats_are_seeded_and_their_answers_come_from_the_story() -> None:
    story = toy_story(Random(1), 90)
    chats = list(cut_chats(story, Random(2)))
    assert chats == list(cut_chats(story, Random(2)))
    assert chats != list(cut_chats(story, Random(3)))
    assert {len(turns) for turns in chats} >= {1, 2}
    for turns in chats:
        for turn in turns:
            assert turn.user
            assert turn.model in story
            assert turn.model[-1] in '.!?"'


def test_a_story_too_short_for_an_answer_gives_no_chat() -> None:
    assert list(cut_chats("Only one sentence.", Random(1))) == []
