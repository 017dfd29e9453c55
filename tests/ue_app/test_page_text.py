"""Text into the page: Markdown works, everything else stays text."""

from __future__ import annotations

import pytest

from ue_app.page_text import (
    CURSOR,
    answer_html,
    error_html,
    figures_text,
    missing_html,
    plain_markdown,
    question_html,
)


def test_markdown_of_an_answer_works() -> None:
    text = answer_html(
        "# Title\n\n1. one\n2. **two**\n\n```py\nx = '<b>'\n```\n\n| a |\n|---|\n| b |")
    for part in ("<h1>Title</h1>", "<ol>", "<strong>two</strong>", "<table>", "&lt;b&gt;"):
        assert part in text


@pytest.mark.parametrize("hostile", [
    "<script>alert(1)</script>", "<img src=http://x/y onerror=alert(1)>",
    "![seen](http://tracker.example/pixel.png)", "[click](javascript:alert(1))",
    "[click](data:text/html;base64,xx)", "`` <svg onload=alert(1)> ``"])
def test_nothing_else_in_an_answer_acts(hostile: str) -> None:
    text = answer_html(hostile)
    for forbidden in ("<script", "<img", "<svg", 'href="javascript', 'href="data'):
        assert forbidden not in text


def test_a_line_that_ends_ends_in_the_page() -> None:
    assert "one<br />\ntwo" in answer_html("one\ntwo")


@pytest.mark.parametrize("text", ["Once", "**bo", "```\ncode", "- item\n- ", "1", "# H"])
def test_the_cursor_stands_where_text_will_come(text: str) -> None:
    assert answer_html(text, cursor=True).count(CURSOR) == 1
    assert CURSOR not in answer_html(text)


def test_a_question_is_shown_as_typed() -> None:
    assert question_html("<b>a</b>\n  b") == (
        '<div class="as-question"><div>&lt;b&gt;a&lt;/b&gt;\n  b</div></div>')


def test_labels_show_every_mark() -> None:
    assert plain_markdown("a *b* :red[c] $d$") == r"a \*b\* \:red\[c\] \$d\$"


def test_errors_say_problem_and_remedy_and_do_not_act() -> None:
    text = error_html("No edge at <x>.", "Start one with `airsplit edge <y>`.")
    assert "&lt;x&gt;" in text
    assert "Start one with <code>airsplit edge &lt;y&gt;</code>." in text


def test_figures_leave_out_what_was_not_measured() -> None:
    assert figures_text({}) == ""
    assert figures_text({"tokens": 3, "time_to_first_token": 0.2, "tokens_per_second": None,
                         "bytes_up_per_token": 552.0, "finish": "cancelled"}) == (
        "3 tokens · first after 200 ms · 552 B up a token · stopped")
    assert figures_text({"tokens": 3, "finish": "eos"}) == "3 tokens"


def test_figures_of_guesses_where_there_were_any() -> None:
    figures = {"tokens": 9, "tokens_per_round_trip": 2.0, "drafted": 0, "accepted": 0}
    assert figures_text(figures) == "9 tokens"
    assert figures_text(figures | {"drafted": 8, "accepted": 4}) == (
        "9 tokens · 2.0 tokens a round trip, 4 of 8 guesses true")


def test_what_cannot_be_chosen_says_why_and_nothing_in_it_acts() -> None:
    text = missing_html(["Exit head", "Both"], "/a/<b> has none.", 'Say "x".')
    assert "<b>Exit head and Both</b>: not available. /a/&lt;b&gt; has none." in text
    assert 'title="Say &quot;x&quot;."' in text
