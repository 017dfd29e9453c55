"""Text to ids and back: against transformers' own tokenizer, template and decoding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.conftest import MakeCheckpoint
from tests.models import GEMMA_TEMPLATE, VOCABULARY
from ue_app.errors import PromptError
from ue_app.prompt import Prompter, Role, Turn, generation_defaults

GEMMA3_TEMPLATE = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/...") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
"""
LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")
LLAMA31_TEMPLATE = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
CONTROLS_TEMPLATE = """{%- macro line(role, text) -%}
[{{ role|upper }}] {{ text|tojson }}{%- endmacro -%}
{%- set ns = namespace(count=0) -%}
{% for message in messages %}
    {% if message.role == 'system' %}{% continue %}{% endif %}
    {% if loop.index > 4 %}{% break %}{% endif %}
    {% set ns.count = ns.count + 1 %}
    {{ line(message.role, message.content) }}
    {{ message | tojson(indent=2) }}
    {{ {'b': 1, 'a': [message.content]} | tojson(sort_keys=true, separators=(',', ':')) }}
{% endfor %}
{{ ns.count }} {{ tools is none }} {{ documents is none }} {{ unk_token }} {{ sep_token }}
{{ messages | map(attribute='role') | join(',') }}{# a note #}
"""
TEMPLATES = {"gemma": GEMMA_TEMPLATE, "gemma 3": GEMMA3_TEMPLATE, "llama 3": LLAMA3_TEMPLATE,
             "llama 3.1": LLAMA31_TEMPLATE, "controls": CONTROLS_TEMPLATE}
CONVERSATIONS: dict[str, list[tuple[Role, str]]] = {
    "one": [("user", "the old king")],
    "spaces": [("user", "  the king \n "), ("assistant", " sea\n"), ("user", "\twho are you? ")],
    "three": [("user", "go"), ("assistant", "the sea was dark"), ("user", "and the son?"),
              ("assistant", "<b>\"no\" & 'yes'</b>"), ("user", "ünï 🙂 {{ messages }}")],
    "system": [("system", "you are a king"), ("user", "who are you?")],
    "empty": [("user", "")],
}


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    """A folder with text files only."""
    source, target = checkpoint_folder("gemma3"), tmp_path / "text"
    target.mkdir()
    for file in source.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, target)
    return target


@pytest.fixture
def prompter(folder: Path) -> Prompter:
    return Prompter(folder)


def turns_of(name: str) -> list[Turn]:
    return [Turn(role, text) for role, text in CONVERSATIONS[name]]


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_render_as_the_librarys_own(
    template: str, conversation: str, folder: Path
) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATES[template], encoding="utf-8")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": role, "content": text} for role, text in CONVERSATIONS[conversation]]
    prompter = Prompter(folder)
    if template == "gemma" and conversation == "system":
        with pytest.raises(PromptError, match=r"System role not supported.*Leave out the system"):
            prompter.encode_turns(turns_of(conversation))
        return
    assert prompter.render(turns_of(conversation)) == tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True)
    theirs = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert prompter.encode_turns(turns_of(conversation)) == theirs


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=4))
def test_any_text_in_a_template(checkpoint_folder: MakeCheckpoint, texts: list[str]) -> None:
    folder = checkpoint_folder("gemma3")
    roles: list[Role] = ["user", "assistant"]
    turns = [Turn(roles[index % 2], text) for index, text in enumerate(texts)]
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    assert Prompter(folder).encode_turns(turns) == tokenizer.apply_chat_template(
        messages, add_generation_prompt=True)["input_ids"]


@given(st.text(st.characters(codec="utf-8"), max_size=30))
@example("")
@example("<eos><start_of_turn>")
def test_raw_is_what_the_tokenizer_makes(checkpoint_folder: MakeCheckpoint, text: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint_folder("gemma3"))
    prompter = Prompter(checkpoint_folder("gemma3"))
    assert prompter.encode_raw(text) == tokenizer(text)["input_ids"]
    assert prompter.encode_raw(text)[0] == 2  # <bos>


def test_a_template_of_the_older_places(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"chat_template": "A{{ messages[0].content }}"}))
    assert Prompter(folder).render([Turn("user", "x")]) == "Ax"
    file.write_text(json.dumps(config | {"chat_template": [
        {"name": "tool_use", "template": "T"}, {"name": "default", "template": "D{{ bos_token }}"},
    ], "bos_token": {"content": "<s>", "__type": "AddedToken"}}))
    assert Prompter(folder).render([Turn("user", "x")]) == "D<s>"


def test_without_a_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    prompter = Prompter(folder)
    with pytest.raises(PromptError, match=r"has no chat template.*--raw") as caught:
        prompter.encode_turns([Turn("user", "x")])
    assert str(folder) in caught.value.problem
    assert prompter.encode_raw("the king")


@pytest.mark.parametrize("template", [
    "{{ raise_exception('No.') }}", "{% if %}", "{{ messages[0].content + 1 }}", "{{ 1 / 0 }}",
    "{{ missing.attribute }}", "{{ messages.append(1) }}", "{{ range(10**9) | list }}",
    "{{ ''|no_such_filter }}", "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ messages[7].content }}", "{{ messages[0].content|tojson(nonsense=1) }}"])
def test_a_template_that_fails_in_any_way(template: str, folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(PromptError, match=r"chat template refuses this.*use --raw"):
        Prompter(folder).encode_turns([Turn("user", "x")])


def test_a_prompt_of_no_tokens(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("")
    with pytest.raises(PromptError, match="holds no tokens"):
        Prompter(folder).encode_turns([Turn("user", "x")])


def test_text_that_is_none(prompter: Prompter) -> None:
    """What a terminal in another encoding hands over."""
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    with pytest.raises(PromptError, match="not text in UTF-8"):
        prompter.encode_raw(broken)
    with pytest.raises(PromptError, match="not text in UTF-8"):
        prompter.encode_turns([Turn("user", broken)])


@pytest.mark.parametrize(("name", "raw"), [
    ("tokenizer.json", b"{"), ("tokenizer.json", b""), ("tokenizer.json", b"\xff"),
    ("tokenizer.json", b'{"model": {}}'), ("tokenizer_config.json", b"{"),
    ("tokenizer_config.json", b"\xff"), ("generation_config.json", b"["),
    ("config.json", b"{"), ("chat_template.jinja", b"\xff\xfe")])
def test_damaged_files(name: str, raw: bytes, folder: Path) -> None:
    for other in ("generation_config.json", "config.json"):
        if name == "config.json":
            (folder / other).unlink(missing_ok=True)
    (folder / name).write_bytes(raw)
    with pytest.raises(PromptError, match=r"cannot be read.*Download it again") as caught:
        Prompter(folder)
    assert str(folder / name) in caught.value.problem


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PromptError, match=r"tokenizer\.json is not there.*save_pretrained"):
        Prompter(folder)


@pytest.mark.parametrize(("generation", "config", "ids"), [
    ({"eos_token_id": [1, 106]}, {"eos_token_id": 9}, {1, 106}), ({"eos_token_id": 7}, {}, {7}),
    (None, {"eos_token_id": 5}, {5}), ({}, {"text_config": {"eos_token_id": [3, 4]}}, {3, 4}),
    (None, None, set()), ({"eos_token_id": None}, {"eos_token_id": 5}, {5}),
    ({"eos_token_id": "1"}, {}, set()), ({"eos_token_id": []}, {"eos_token_id": 2}, {2})])
def test_what_ends_an_answer(
    generation: dict[str, Any] | None, config: dict[str, Any] | None, ids: set[int], folder: Path
) -> None:
    for name, document in (("generation_config.json", generation), ("config.json", config)):
        (folder / name).unlink(missing_ok=True)
        if document is not None:
            (folder / name).write_text(json.dumps(document))
    assert Prompter(folder).stop_ids == ids


@pytest.mark.parametrize(("document", "defaults"), [
    ({}, {}), ({"do_sample": False, "temperature": 0.5}, {}),
    ({"do_sample": True}, {"temperature": 1.0}),
    ({"do_sample": True, "top_k": 64, "top_p": 0.95, "temperature": None, "num_beams": 1},
     {"temperature": 1.0, "top_k": 64, "top_p": 0.95})])
def test_how_the_makers_want_tokens_chosen(
    document: dict[str, Any], defaults: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps(document))
    assert generation_defaults(tmp_path) == defaults
    assert generation_defaults(tmp_path / "nowhere") == {}


def test_the_fixture_tokenizer_is_as_large_as_the_model(prompter: Prompter) -> None:
    assert prompter.tokenizer.get_vocab_size() <= VOCABULARY


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 120), max_size=8))
def test_decoding_leaves_special_tokens_out(prompter: Prompter, ids: list[int]) -> None:
    assert prompter.decode([2, *ids, 1]) == prompter.tokenizer.decode(ids)
