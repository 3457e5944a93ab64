"""Templates from results files, which may come from anywhere: rendered as the harness does, or not at all."""

import pytest

from modelsat.data.readers.lm_eval_templates import render, render_list

DOC = {"question": " Who? ", "choices": ["a", "b"], "label": 1, "translation": {"en": "cat"}}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("question", " Who? "),
        ("Q: {{question.strip()}}\nA:", "Q: Who?\nA:"),
        ("{{translation['en']}}\n", "cat\n"),
        ("{% for c in choices %}{{loop.index}}. {{c}} {% endfor %}", "1. a 2. b "),
        ("{{'yes' if label == 1 else 'no'}}", "yes"),
        ("{{choices | join(', ') | upper}}", "A, B"),
        ("{% set x = question | trim %}{{x.replace('Who', 'What')}}", "What?"),
    ],
)
def test_harmless_template_gives_what_the_harness_makes_of_it(template: str, text: str) -> None:
    assert render(template, DOC) == text


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 10**10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{% set x = 'y'.join(range(99999)) %}{{ x.replace('y', x) }}",
        "{% set x = question %}" + "{% set x = x ~ x %}" * 60 + "{{x}}",
        "{% set x = question %}" + "{% set x = x + x %}" * 60 + "{{x}}",
        "{{ ''.__class__.__mro__ }}",
        "{{ question.__init__.__globals__ }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include '/etc/passwd' %}",
        "{{ absent }}",
        "{{ unfinished",
        "def text(doc):\n    return doc['question']",
        "<function text at 0x7f>",
        None,
        7,
    ],
)
def test_template_that_could_do_harm_or_is_none_gives_nothing(template: object) -> None:
    assert not render(template, DOC)


@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("choices", ["a", "b"]),
        ("{{choices}}", ["a", "b"]),
        (["x", "y"], ["x", "y"]),
        ({"one": "x", "two": "y"}, ["x", "y"]),
        ("{{question}}", None),
        ("{{[absent]}}", None),
        (None, None),
    ],
)
def test_options_of_a_template_are_a_list_or_nothing(template: object, options: list[str] | None) -> None:
    assert render_list(template, DOC) == options
