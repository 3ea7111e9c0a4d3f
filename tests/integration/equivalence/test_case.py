from __future__ import annotations

import pytest

from .case import corpus, output_names, parse_case, parse_cells

TEXT = """\
# covers: something
# expect: diagnostic undefined-name x
# params: {"folder": "$TMP", "n": 3}

# %% [tags: step:a, after:b]

x = 1

# %% [markdown]
# A *text*.

# %%
y = x
"""


def test_cells_keep_their_tags_kind_and_source():
    cells = parse_cells(TEXT[TEXT.index("# %%") :]).cells
    assert [(c.cell_type, c.source, c.metadata.get("tags")) for c in cells] == [
        ("code", "x = 1", ["step:a", "after:b"]),
        ("markdown", "A *text*.", None),
        ("code", "y = x", []),
    ]


def test_the_header_says_what_is_expected():
    case = parse_case("name", TEXT)
    assert case.covers == "something"
    assert case.expect == ("diagnostic", "undefined-name", "x")
    assert case.params == {"folder": "$TMP", "n": 3}
    assert not case.full


@pytest.mark.parametrize(
    "text",
    [
        "# covers: x\n# expect: maybe\n",
        "# expect: equal\n",
        "# covers: x\nx = 1\n",
        "# covers: x\n# %% [oops]\n",
    ],
)
def test_a_wrong_file_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_case("name", text)


def test_outputs_are_bare_names_tuples_and_prints():
    notebook = parse_cells("# %% [tags: outputs]\na\nb, c\nprint(d)\n# %% [tags: step:x]\ne\n")
    assert output_names(notebook) == ["a", "b", "c", "d"]


def test_the_corpus_is_there_and_no_two_files_say_the_same():
    cases = corpus()
    assert len(cases) >= 80
    texts = {str([(c.source, c.metadata) for c in case.notebook.cells]) + str(case.params) for case in cases}
    assert len(texts) == len(cases)
