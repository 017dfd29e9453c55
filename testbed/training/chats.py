"""Chat samples cut from stories: an opening as the user's turn, what follows as the model's.

Does: split paragraphs into sentences, and walk through a story cutting conversations of one to
three turns, seeded.
Does not know: tokens, files, the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

SENTENCE_END = re.compile(
    r"(?<=[.!?])[\"')_]*\s+(?=[\"'(_]*[A-Z])|(?<=[.!?][\"'_])\s+(?=[\"'(_]*[A-Z])"
)
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Col|Capt|Gen|Prof|Rev|Lieut|Sergt|[A-Z])\.$")
CONTINUE_REQUESTS = (
    "Go on.",
    "Go on, please.",
    "Continue.",
    "Please continue.",
    "Continue the story.",
    "And then?",
    "What happened next?",
    "What happened then?",
    "Tell me more.",
    "More, please.",
)
OPENING_REQUESTS = (
    "Go on: ",
    "Continue: ",
    "Continue this story: ",
    "Continue the story: ",
    "Tell me a story. ",
    "Tell me a story that begins like this: ",
    "Write a story that starts: ",
    "How does this go on? ",
    "Finish this: ",
)
PLAIN_REQUESTS = (
    "Tell me a story.",
    "Tell me a story, please.",
    "Write a story.",
    "Write a short story.",
    "Please tell me a story.",
    "Can you tell me a story?",
    "I would like to hear a story.",
    "Hello! Tell me a story.",
)
TOPIC_REQUESTS = (
    "Tell me a story about {}.",
    "Tell me a story about {}, please.",
    "Tell me about {}.",
    "Write a story about {}.",
    "Write a short story about {}.",
    "Can you tell me a story about {}?",
    "Please tell me a story about {}.",
    "A story about {}, please.",
    "I want a story about {}.",
)
TOPIC_LIST = """
king queen prince princess knight soldier sailor captain pirate fisherman farmer hunter miller
tailor shoemaker smith baker merchant thief robber beggar priest monk doctor lawyer judge
teacher painter poet musician servant maid cook nurse boy girl child baby man woman wife husband
widow mother father brother sister daughter son grandmother uncle aunt stranger witch wizard
giant dwarf fairy dragon ghost monster devil angel god dog cat horse donkey cow pig goat sheep
wolf fox bear lion tiger elephant monkey mouse rat rabbit bird crow owl eagle goose duck hen
cock swan frog snake fish whale bee spider tree forest mountain river lake sea island garden
castle palace tower village town city house cottage church mill inn school ship boat train
letter ring sword crown treasure book picture clock lamp mirror key door storm winter night
dream murder detective policeman spy scientist professor robot rocket spaceship planet Martian
astronaut engineer inventor machine war battle general wedding journey
"""
TOPIC_NOUNS = frozenset(TOPIC_LIST.split())
TOPIC = re.compile(r"\b[Aa]n? (?:(?:old|young|little|poor|rich|great|wise|brave) )?([A-Za-z]+)\b")


@dataclass(frozen=True)
class Turn:
    """One user turn and the model's answer."""

    user: str
    model: str


@dataclass(frozen=True)
class Sentence:
    """A sentence and whether a new paragraph begins with it."""

    text: str
    begins_paragraph: bool


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of one paragraph; their closing quotes stay with them."""
    sentences: list[str] = []
    start = 0
    for match in SENTENCE_END.finditer(paragraph):
        piece = paragraph[start : match.end()].strip()
        if ABBREVIATION.search(piece):
            continue
        sentences.append(piece)
        start = match.end()
    rest = paragraph[start:].strip()
    return [*sentences, rest] if rest else sentences


def story_sentences(story: str) -> list[Sentence]:
    """All sentences of a story in order."""
    return [
        Sentence(text, position == 0)
        for paragraph in story.split("\n")
        for position, text in enumerate(split_sentences(paragraph))
    ]


def join_sentences(sentences: list[Sentence]) -> str:
    """Sentences as running text, paragraphs on lines of their own."""
    parts = [sentences[0].text]
    for sentence in sentences[1:]:
        parts.append(("\n" if sentence.begins_paragraph else " ") + sentence.text)
    return "".join(parts)


def find_topic(text: str) -> str | None:
    """The first "a king" / "an old fisherman" of a text, from the list of topics."""
    for match in TOPIC.finditer(text):
        if match.group(1) in TOPIC_NOUNS:
            phrase = match.group(0)
            return phrase[0].lower() + phrase[1:]
    return None


def first_turn(opening: list[Sentence], reply: list[Sentence], random: Random) -> Turn:
    """The user's first turn in one of its forms, and the answer that fits it."""
    together = join_sentences([*opening, *reply])
    choice = random.random()
    topic = find_topic(together[:400]) if choice < 0.4 else None
    if topic is not None:
        return Turn(random.choice(TOPIC_REQUESTS).format(topic), together)
    if choice < 0.1:
        return Turn(random.choice(PLAIN_REQUESTS), together)
    prefix = random.choice(OPENING_REQUESTS) if random.random() < 0.4 else ""
    begin = join_sentences(opening)
    words = opening[0].text.split(" ")
    if choice > 0.65 and len(words) >= 8:
        kept = " ".join(words[: random.randint(4, min(16, len(words) - 2))])
        return Turn(prefix + kept.strip(), together[len(kept) :].strip())
    return Turn(prefix + begin, join_sentences(reply))


def cut_chats(story: str, random: Random) -> Iterator[list[Turn]]:
    """Walk once through a story, yielding conversations that follow one another."""
    sentences = story_sentences(story)
    position = 0
    while position < len(sentences):
        opening = sentences[position : position + random.randint(1, 2)]
        position += len(opening)
        reply = sentences[position : position + random.randint(2, 6)]
        position += len(reply)
        if len(reply) < 2:
            return
        turns = [first_turn(opening, reply, random)]
        for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
            following = sentences[position : position + random.randint(2, 6)]
            position += len(following)
            if len(following) < 2:
                break
            turns.append(Turn(random.choice(CONTINUE_REQUESTS), join_sentences(following)))
        yield turns
