"""The page of policies: which there are and whether they are in effect, a form to add one of A1.

Widgets only; the form is made in `console_forms`, and the xApp judges what was filled in.
"""

from __future__ import annotations

import html
import json
from typing import Any

import streamlit as st

from xapp.api_views import PolicyModel
from xapp.console_forms import Field, FieldKind, body_of, fields_of
from xapp.console_parts import READ_ONLY, frame, live, quiet_when_away, told
from xapp.console_state import Console
from xapp.console_text import (
    empty_html,
    error_html,
    limits_html,
    moment,
    note_html,
    section_html,
)
from xapp.errors import XappError

NOT_GIVEN = "not given"


def show(console: Console) -> None:
    """Draw the page."""
    frame(console)
    live(_policies, console)
    _form(console)
    with quiet_when_away(), st.expander("Limits and configuration"):
        st.html(limits_html(console.read(console.client.limits)))


def _policies(console: Console) -> None:
    with quiet_when_away():
        types = {int(one["policy_type_id"]): str(one["name"])
                 for one in console.read(console.client.policy_types)}
        found = console.read(console.client.policies)
        st.html(section_html("Policies", f"{found.total}"))
        if not found.items:
            st.html(empty_html("None: quotas stay as they are."))
        for one in found.items:
            kind = ("of the configuration" if one.type_id is None else
                    f"{types.get(one.type_id, '')} · type {one.type_id}")
            _policy(console, one, kind)


def _policy(console: Console, one: PolicyModel, kind: str) -> None:
    with st.container(key=f"a1-{one.type_id or one.source}-{_key(one.instance)}"):
        tone, words = ("good", "in effect") if one.in_effect else ("wait", "not in effect")
        reason = f" <small>{html.escape(one.reason)}</small>" if one.reason else ""
        st.html(f'<div class="as-policy"><header><b>{html.escape(one.instance)}</b>'
                f'<span class="as-chip" data-tone="{tone}">{words}</span><small>'
                f"{html.escape(kind)} · since {moment(one.created)}"
                f"</small>{reason}</header><code>{html.escape(_short_json(one.body))}</code></div>")
        if console.may_change and one.type_id is not None:
            with st.popover("Remove", icon=":material/delete:", type="tertiary"):
                st.write("The policy ends at once; quotas follow what is left.")
                if st.button("Remove it", key=f"remove-{one.type_id}-{_key(one.instance)}"):
                    with told():
                        console.client.delete_policy(one.type_id, one.instance)
                        console.changed()
                        st.rerun()


def _form(console: Console) -> None:
    st.html(section_html("Add a policy", "an id that is there already is replaced"))
    if not console.may_change:
        st.html(note_html("Policies can only be looked at from here.", READ_ONLY))
        return
    with quiet_when_away():
        types = {int(one["policy_type_id"]): one
                 for one in console.read(console.client.policy_types)}
        if not types:
            st.html(empty_html("This xApp has no policy type."))
            return
        # Ours has the most to say, and the highest number.
        numbers = sorted(types, reverse=True)
        chosen = st.selectbox("Type", numbers, key="policy-type", format_func=lambda number:
                              f"{types[number]['name']} ({number})")
        st.caption(str(types[chosen].get("description", "")))
        _fields(console, chosen, fields_of(types[chosen].get("create_schema", {})))


def _fields(console: Console, type_id: int, fields: tuple[Field, ...]) -> None:
    with st.form(f"policy-form-{type_id}", border=True):
        instance = st.text_input("Id", key=f"new-id-{type_id}", max_chars=128,
                                 placeholder="a name, such as chat-first")
        values = {}
        for place in range(0, len(fields), 2):
            for column, field in zip(st.columns(2), fields[place:place + 2], strict=False):
                values[field.name] = _widget(column, type_id, field)
        sent = st.form_submit_button("Put in force", type="primary", icon=":material/add:")
    problem = st.empty()
    if not sent:
        return
    if not instance.strip():
        problem.html(error_html("The policy has no id.", "Give it a name to find it by."))
        return
    try:
        console.client.put_policy(type_id, instance.strip(), body_of(fields, values))
    except XappError as error:
        problem.html(error_html(error.problem, error.remedy))
        return
    console.changed()
    st.toast(f"Policy {instance.strip()} was accepted.", icon=":material/check:")
    st.rerun()


def _widget(place: Any, type_id: int, field: Field) -> Any:
    """The value of a field; None where it was left empty."""
    label = ": ".join(field.path).replace("_", " ") + (" (needed)" if field.required else "")
    options: dict[str, Any] = {"key": f"field-{type_id}-{field.name}", "help": field.help or None}
    if field.kind is not FieldKind.SWITCH:
        options["placeholder"] = f"such as {field.example}" if field.example else NOT_GIVEN
    if field.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        number = int if field.kind is FieldKind.INTEGER else float
        bounds = [None if bound is None else number(bound)
                  for bound in (field.minimum, field.maximum)]
        return place.number_input(
            label, min_value=bounds[0], max_value=bounds[1], step=number(1),
            format="%d" if number is int else "%g",
            value=None if field.default is None else number(field.default), **options)
    if field.kind is FieldKind.SWITCH:
        words = {None: NOT_GIVEN, True: "yes", False: "no"}
        return place.selectbox(label, list(words), format_func=words.get,
                               index=list(words).index(field.default), **options)
    if field.kind is FieldKind.CHOICE:
        return place.selectbox(
            label, field.choices,
            index=field.choices.index(field.default) if field.default in field.choices else None,
            **options)
    if field.kind is FieldKind.WORDS:
        return place.text_input(label, value=field.default or "", **options)
    if field.kind is FieldKind.LIST:
        return place.text_input(label, value=field.default or "", **options)
    return place.text_area(label, value=field.default or "", height=80, **options)


def _short_json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _key(text: str) -> str:
    """As a key's tail: letters and digits alone."""
    return "".join(letter if letter.isalnum() else "-" for letter in text)
