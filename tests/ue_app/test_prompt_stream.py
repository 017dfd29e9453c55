"""Tokens back to text as they come: no halves of characters, and nothing after a stop string."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.models import SAMPLE
from ue_app.prompt import TextStream


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator([SAMPLE], trainers.BpeTrainer(
        vocab_size=150, special_tokens=["<unk>", "<eos>"], show_progress=False))
    return tokenizer


def byte_level() -> Tokenizer:
    """As Llama 3's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([SAMPLE + "ünï 🙂 "], trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<eos>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Gemma's: what the vocabulary lacks comes as bytes."""
    words = ["▁", "▁the", "▁king", "sea", "a", "b", "!", "ü", "▁▁", "\n"]
    names = ["<unk>", "<eos>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    tokenizer = Tokenizer(models.BPE(
        vocab={name: index for index, name in enumerate(names)}, merges=[], unk_token="<unk>",
        byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<unk>", "<eos>"])
    return tokenizer


TOKENIZERS = {"metaspace": metaspace(), "byte level": byte_level(),
              "byte fallback": byte_fallback()}


def streamed(tokenizer: Tokenizer, ids: list[int], stop: tuple[str, ...] = ()
             ) -> tuple[str, int, bool]:
    """The text, after how many tokens it stopped, and whether."""
    stream, text = TextStream(tokenizer, stop), ""
    for count, token in enumerate(ids, 1):
        text += stream.push(token)
        if stream.stopped:
            return text, count, True
    return text + stream.finish(), len(ids), False


@settings(max_examples=300)
@given(st.sampled_from(sorted(TOKENIZERS)), st.data())
def test_streamed_text_is_the_decoded_text(name: str, data: st.DataObject) -> None:
    """Whatever the ids, special ones and halves of characters included.

    Of bytes that are no characters, a byte-fallback decoder makes something else with each that
    follows; what was printed cannot follow it there. It must only go on.
    """
    tokenizer = TOKENIZERS[name]
    ids = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=12))
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    text = streamed(tokenizer, ids)[0]
    assert text == whole or (name == "byte fallback" and "\N{REPLACEMENT CHARACTER}" in whole)


@settings(max_examples=200)
@given(st.sampled_from(sorted(TOKENIZERS)), st.text(
    st.sampled_from("the king sea!\n üï🙂é") , max_size=20))
def test_streamed_text_of_real_sentences(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert streamed(tokenizer, ids)[0] == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_character_comes_when_it_is_whole() -> None:
    tokenizer = TOKENIZERS["byte fallback"]
    ids = tokenizer.encode("🙂", add_special_tokens=False).ids
    assert len(ids) == 4
    stream = TextStream(tokenizer, ())
    assert [stream.push(token) for token in ids] == ["", "", "", "🙂"]


@pytest.mark.parametrize("name", ["byte level", "byte fallback"])
def test_half_a_character_at_the_end_is_not_lost(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = tokenizer.encode("a🙂", add_special_tokens=False).ids
    assert streamed(tokenizer, ids[:-1])[0] == tokenizer.decode(ids[:-1])


def test_bytes_that_are_no_characters() -> None:
    tokenizer = TOKENIZERS["byte fallback"]
    names = ["<0x41>", "<0xF0>", "<0x9F>", "the", "<0x41>", "sea"]
    ids = [tokenizer.token_to_id(name.replace("the", "▁the")) for name in names]
    assert None not in ids
    text = streamed(tokenizer, [token for token in ids if token is not None])[0]
    assert text.startswith("A")
    assert text.endswith(" theAsea")
    assert set(text[1 : -len(" theAsea")]) == {"\N{REPLACEMENT CHARACTER}"}


def test_an_id_the_tokenizer_does_not_know() -> None:
    """A model's vocabulary may be padded beyond its tokenizer's."""
    tokenizer = TOKENIZERS["metaspace"]
    ids = [*tokenizer.encode("the king").ids, 9999, *tokenizer.encode("sea").ids]
    assert streamed(tokenizer, ids)[0] == tokenizer.decode(ids)


def letters() -> Tokenizer:
    """Every string of up to three letters out of two is a token: any split of any text."""
    words = [""]
    for _ in range(3):
        words += [word + letter for word in words for letter in "ab" if word + letter not in words]
    words = sorted({word for word in words if word})
    tokenizer = Tokenizer(models.WordLevel(
        {word: index for index, word in enumerate(words)}, unk_token="a"))
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


LETTERS = letters()


def letter_id(word: str) -> int:
    token = LETTERS.token_to_id(word)
    assert token is not None
    return token


stops = st.lists(st.text("ab", min_size=1, max_size=5), max_size=3).map(tuple)


def cut(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """`text` before the stop string that is complete first (the longest, if several are)."""
    found = [(text.find(one) + len(one), text.find(one)) for one in stop if one in text]
    return (text[: min(found)[1]], True) if found else (text, False)


@settings(max_examples=500)
@given(st.lists(st.integers(0, LETTERS.get_vocab_size() - 1), max_size=12), stops)
@example([letter_id("a"), letter_id("aba"), letter_id("b")],
         ("abab", "b"))
def test_stop_strings(ids: list[int], stop: tuple[str, ...]) -> None:
    text, _, stopped = streamed(LETTERS, ids, stop)
    assert (text, stopped) == cut(LETTERS.decode(ids), stop)


@settings(max_examples=300)
@given(st.text("ab", max_size=14), stops, st.data())
def test_any_token_split_gives_the_same_text(
    text: str, stop: tuple[str, ...], data: st.DataObject
) -> None:
    results = set()
    for _ in range(3):
        left, ids = text, []
        while left:
            size = data.draw(st.integers(1, min(3, len(left))))
            ids.append(letter_id(left[:size]))
            left = left[size:]
        results.add(streamed(LETTERS, ids, stop)[0])
    assert results == {cut(text, stop)[0]}


@given(st.lists(st.integers(0, LETTERS.get_vocab_size() - 1), min_size=1, max_size=10), stops)
def test_it_stops_at_the_token_that_completes_a_stop_string(
    ids: list[int], stop: tuple[str, ...]
) -> None:
    _, count, stopped = streamed(LETTERS, ids, stop)
    assert not any(one in LETTERS.decode(ids[: count - 1]) for one in stop)
    assert stopped == any(one in LETTERS.decode(ids[:count]) for one in stop)


def test_only_what_may_begin_a_stop_string_is_held_back() -> None:
    stream = TextStream(LETTERS, ("abb",))
    assert [stream.push(letter_id(word)) for word in ("b", "a", "b", "a", "bab")] == [
        "b", "", "", "ab", "ab"]
    assert stream.finish() == "ab"
    assert stream.finish() == ""


def test_empty_stop_strings_are_none() -> None:
    assert streamed(LETTERS, [0, 1, 2], ("",)) == (LETTERS.decode([0, 1, 2]), 3, False)
