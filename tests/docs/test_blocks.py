"""Blocks are found with what stands above them."""

from __future__ import annotations

from tests.docs.blocks import blocks_of, prompted

PAGE = """# A page

Some words
in two lines:

```sh
airsplit ue "a"
```

Needs root:

```console
# airsplit tap eth0       labels
$ airsplit deploy promote --dnn llm \\
      --flow tcp
listed
```

````text
```sh
not a block of its own
```
````
"""


def test_each_has_its_language_text_and_what_is_above() -> None:
    first, second, third = blocks_of(PAGE)
    assert (first.language, first.text, first.line) == ("sh", 'airsplit ue "a"\n', 6)
    assert first.above == "Some words in two lines:"
    assert (second.language, second.above) == ("console", "Needs root:")
    assert third.language == "text"
    assert "not a block" in third.text


def test_commands_stand_behind_prompts_and_may_go_on_in_the_next_line() -> None:
    block = blocks_of(PAGE)[1]
    assert prompted(block) == ["airsplit tap eth0       labels",
                               "airsplit deploy promote --dnn llm --flow tcp"]
