"""Who reads what from whom, form by form of the language."""

from __future__ import annotations

import pytest

from tests.unit.notebook.writing import analysis_of, codes, sources, types

# Each case: code of step a, code of step b, what b gets from a (before the pipeline output `r`).
READS = {
    "plain": ("x = [1]", "r = x", {"x"}),
    "chained": ("x = y = []", "r = [x, y]", {"x", "y"}),
    "tuple": ("x, (y, *z) = 1, (2, 3)", "r = [x, y, z]", {"x", "y", "z"}),
    "walrus": ("if (x := 3): pass", "r = x", {"x"}),
    "walrus in a comprehension": ("[last := i for i in range(3)]", "r = last", {"last"}),
    "for target": ("for i in range(3): pass", "r = i", {"i"}),
    "with target": ("import io\nwith io.StringIO() as f: t = f.closed", "r = t", {"t"}),
    "augmented": ("n = 1\nn += 1", "r = n", {"n"}),
    "match capture": ("match [1, 2]:\n    case [h, *rest]: pass", "r = [h, rest]", {"h", "rest"}),
    "global in a function": ("def f():\n    global g\n    g = 1\nf()", "r = g", {"g"}),
    "comprehension target is local": ("x = [1]", "r = [i for i in x]\ni = 2", {"x"}),
    "read before bound": ("x = 1", "y = x\nx = 2\nr = y", {"x"}),
    "bound before read": ("x = 1", "x = 2\nr = x", set()),
    "maybe bound": ("x = [1]", "if len('a') > 2:\n    x = 2\nr = x", {"x"}),
    "bound on both paths": ("x = [1]", "if len('a') > 2:\n    x = 2\nelse:\n    x = 3\nr = x", set()),
    "bound in a loop that runs": ("x = [1]", "for i in [1, 2]:\n    x = i\nr = x", set()),
    "bound in a loop that may not run": ("x = [1]", "for i in []:\n    x = i\nr = x", {"x"}),
    "while true with break": ("x = [1]", "while True:\n    x = 2\n    break\nr = x", set()),
    "except branch": ("x = [1]", "try:\n    x = 2\nexcept ValueError:\n    pass\nr = x", {"x"}),
    "deleted then bound": ("x = [1]", "del x\nx = 2\nr = x", {"x"}),
    "lambda body": ("k = [1]", "r = (lambda v: v + k)([2])", {"k"}),
    "function body": ("k = [1]", "def f(): return k\nr = f()", {"k"}),
    "function body bound before the call": ("k = [1]", "def f(): return k\nk = [2]\nr = f()", set()),
    "default": ("k = [1]", "def f(v=k): return v\nr = f()", {"k"}),
    "decorator": ("import functools\nd = functools.partial(map)", "@d\ndef f(): pass\nr = 1", {"d"}),
    "class body": ("k = [1]", "class C:\n    a = k\nr = C.a", {"k"}),
    "method": ("k = [1]", "class C:\n    def m(self): return k\nr = C().m()", {"k"}),
    "class scope is no enclosing scope": (
        "k = [1]",
        "class C:\n    k = 2\n    def m(self): return k\nr = C().m()",
        {"k"},
    ),
    "nested comprehension": ("m = [[1]]", "r = [v for row in m for v in row]", {"m"}),
    "f-string": ("x = [1]", "r = f'{x!r:>{len(x)}}'", {"x"}),
    "subscript store reads": ("x = {}", "x['a'] = 1\nr = x", {"x"}),
    "slice index": ("x = [1]\nn = 2", "r = [1, 2, 3][n:]", {"n"}),
    "starred call": ("x = [1]", "r = max(*x, 2)", {"x"}),
    "annotation": ("T = [int]", "v: T = 1\nr = v", {"T"}),
    "shell": ("d = '.'", "r = !ls {d}", {"d"}),
    "time magic": ("x = [1]", "%time r = sum(x)", {"x"}),
    "capture magic": ("x = [1]", "%%capture out\nprint(x)\nr = 1", {"x"}),
    "conditional expression": ("x = [1]", "r = x if True else y0 if False else x", {"x"}),
    "top-level await": ("x = [1]", "import asyncio\nr = await asyncio.sleep(0, x)", {"x"}),
}


@pytest.mark.parametrize("case", READS)
def test_a_step_gets_what_it_reads_and_did_not_make(case: str) -> None:
    first, second, expected = READS[case]
    analysis = analysis_of(f"# %% step:a\n{first}\n# %% step:b\n{second}\n# %% outputs\nr")
    step = analysis.pipeline.step("b")
    assert set(sources(step)) == expected
    assert expected <= set(types(analysis.pipeline.step("a"))), "what b reads, a must leave"


# Each case: code of the middle step, whether it hands `x` on as changed.
MUTATIONS = {
    "append": ("x.append(1)", True),
    "item": ("x[0] = 1", True),
    "slice": ("x[:] = []", True),
    "attribute": ("x.a = 1", True),
    "delete item": ("del x[0]", True),
    "augmented item": ("x[0] += 1", True),
    "in-place add": ("x += [1]", True),
    "nested item": ("x['a']['b'].append(1)", True),
    "through get": ("x.get('a').append(1)", True),
    "inplace flag": ("x.drop('a', inplace=True)", True),
    "inplace false": ("y = x.drop('a', inplace=False)", False),
    "fit": ("x.fit([1], [2])", True),
    "shuffle": ("import random\nrandom.shuffle(x)", True),
    "heap": ("import heapq\nheapq.heappush(x, 1)", True),
    "setattr": ("setattr(x, 'a', 1)", True),
    "unbound method": ("list.append(x, 1)", True),
    "bound method": ("add = x.append\nadd(1)", True),
    "method as a value": ("list(map(x.append, [1]))", True),
    "alias": ("y = x\ny.append(1)", True),
    "alias in a container": ("box = {'k': x}\nbox['k'].append(1)", True),
    "alias by item": ("row = x[0]\nrow['a'] = 1", True),
    "loop variable": ("for row in x:\n    row['a'] = 1", True),
    "comprehension": ("[row.update(a=1) for row in x]", True),
    "with alias": ("import contextlib\nwith contextlib.nullcontext(x) as y:\n    y.append(1)", False),
    "function argument": ("def f(v): v.append(1)\nf(x)", True),
    "keyword argument": ("def f(v=None): v.append(1)\nf(v=x)", True),
    "through two functions": ("def g(w): w.append(1)\ndef f(v): g(v)\nf(x)", True),
    "function over the global": ("def f(): x.append(1)\nf()", True),
    "returned argument": ("def same(v): return v\ny = same(x)\ny.append(1)", True),
    "method of an own class": ("class C:\n    def bump(self): self.n = 1\nx.bump()", True),
    "swap": ("x, y = [1], x", True),
    "out argument": ("import numpy as np\nnp.add([1], 1, out=x)", True),
    "reading only": ("y = len(x) + sum(x)", False),
    "a copy": ("import copy\ny = copy.deepcopy(x)\ny.append(1)", False),
    "slice copy read": ("y = sorted(x)\nprint(y)", False),
    "rebinding an alias": ("y = x\ny = []\ny.append(1)", False),
    "pure method": ("y = x.index(1)", False),
    "shadowed in a comprehension": ("y = [x for x in [[1]]]", False),
    "shadowed by a parameter": ("def f(x): x.append(1)\nf([])", False),
}


@pytest.mark.parametrize("case", MUTATIONS)
def test_a_change_in_place_makes_the_step_the_new_producer(case: str) -> None:
    code, changes = MUTATIONS[case]
    analysis = analysis_of(
        f"# %% step:a\nx = [[1]]\n# %% step:m\n{code}\n# %% step:z\nr = x\n# %% outputs\nr"
    )
    assert sources(analysis.pipeline.step("z"))["x"] == ("m" if changes else "a")


def test_what_nothing_reads_is_not_exported() -> None:
    analysis = analysis_of("# %% step:a\nx = 1\ny = 2\n# %% step:b\nprint(x)\n# %% outputs\nx")
    assert set(types(analysis.pipeline.step("a"))) == {"x"}


def test_independent_steps_do_not_wait_for_each_other() -> None:
    analysis = analysis_of(
        "# %% step:a\nx = []\n# %% step:b\ny = x\n# %% step:c\nz = x\n# %% step:d\nr = [y, z]\n# %% outputs\nr"
    )
    upstream = {step.name: step.upstream for step in analysis.pipeline.steps}
    assert upstream == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def test_a_declared_order_is_kept() -> None:
    analysis = analysis_of("# %% step:a\nprint(1)\n# %% step:b after:a\nprint(2)")
    assert analysis.pipeline.step("b").after == ("a",)


def test_a_function_travels_with_what_it_needs_at_the_using_step() -> None:
    analysis = analysis_of(
        """
        # %% imports
        import math
        # %% step:a
        scale = 2
        def inner(v):  # a comment
            return math.sqrt(v) * scale
        def outer(v): return inner(v)
        # %% step:b
        scale = 3
        # %% step:c
        r = outer(4)
        # %% outputs
        r
        """
    )
    step = analysis.pipeline.step("c")
    assert sources(step) == {"scale": "b"}, "a function reads a global as it is when it is called"
    code = "\n".join(piece.source for piece in step.preamble)
    assert code.index("import math") < code.index("def inner") < code.index("def outer")
    assert "comment" not in code


def test_data_a_function_needs_while_being_defined_is_loaded_before_it() -> None:
    analysis = analysis_of(
        "# %% step:a\nk = [1]\ndef f(v=k): return v\n# %% step:b\nk.append(2)\nr = f()\n# %% outputs\nr"
    )
    assert analysis.ok
    analysis = analysis_of(
        "# %% step:a\nk = object()\ndef f(v=k): return v\n# %% step:b\nr = f()\n# %% outputs\nr"
    )
    assert analysis.pipeline.step("b").early == ("k",)


def test_a_default_whose_value_has_changed_since_is_diagnosed() -> None:
    analysis = analysis_of(
        "# %% step:a\nk = object()\ndef f(v=k): return v\n# %% step:b\nk = object()\n# %% step:c\nr = [f(), k]\n# %% outputs\nr"
    )
    assert "K206" in codes(analysis)


def test_objects_of_own_classes_take_the_class_along() -> None:
    analysis = analysis_of(
        "# %% step:a\nclass C:\n    def m(self): return limit\nlimit = [3]\nobj = C()\n# %% step:b\nr = obj.m()\n# %% outputs\nr"
    )
    step = analysis.pipeline.step("b")
    assert any("class C" in piece.source for piece in step.preamble)
    assert set(sources(step)) == {"obj", "limit"}, "a method's globals are needed where it runs"
    output = next(o for o in analysis.pipeline.step("a").outputs if o.name == "obj")
    assert output.code == ("C",)


def test_a_name_only_one_path_binds_may_be_unbound_and_travels_as_an_artifact() -> None:
    analysis = analysis_of("# %% step:a\nif len('a') > 2:\n    x = 1\n# %% step:b\nr = x\n# %% outputs\nr")
    (output,) = analysis.pipeline.step("a").outputs
    assert output.optional
    assert str(output.type) == "Artifact"


def test_the_name_of_a_caught_exception_is_gone_after_the_handler() -> None:
    analysis = analysis_of(
        "# %% step:a\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    pass\n# %% step:b\nprint(e)"
    )
    assert analysis.pipeline.step("a").outputs[0].optional


def test_two_names_of_one_object_come_from_one_producer_where_it_is_changed() -> None:
    analysis = analysis_of(
        "# %% step:a\nxs = [1]\n# %% step:b\ny = xs\n# %% step:c\ny.append(2)\n# %% step:d\nr = [xs, y]\n# %% outputs\nr"
    )
    assert sources(analysis.pipeline.step("c")) == {"xs": "b", "y": "b"}
    assert sources(analysis.pipeline.step("d")) == {"xs": "c", "y": "c"}


def test_what_later_steps_read_unchanged_is_guarded() -> None:
    analysis = analysis_of(
        "# %% step:a\nx = object()\n# %% step:b\nprint(x)\n# %% step:c\nr = x\n# %% outputs\nr"
    )
    assert analysis.pipeline.step("b").guard == {"x": "a"}
    assert analysis.pipeline.step("c").guard == {}


def test_preamble_data_is_made_where_it_is_needed_and_comes_from_the_step_that_changed_it() -> None:
    analysis = analysis_of(
        "# %% imports\nlimits = {'a': 1}\nlimits['b'] = 2\nother = 1\n# %% step:a\nprint(limits)\n# %% step:b\nlimits['c'] = 3\n"
        "# %% step:c\nr = limits\n# %% outputs\nr"
    )
    first = analysis.pipeline.step("a")
    assert [piece.source for piece in first.preamble] == ["limits = {'a': 1}\nlimits['b'] = 2"]
    assert first.guard == {"limits": ""}
    assert sources(analysis.pipeline.step("c")) == {"limits": "b"}


def test_settings_of_the_preamble_hold_in_every_step() -> None:
    analysis = analysis_of(
        "# %% imports\nimport warnings\nimport re\nwarnings.filterwarnings('ignore')\n# %% step:a\nr = 1\n# %% outputs\nr"
    )
    (piece,) = analysis.pipeline.step("a").preamble
    assert piece.source == "import warnings\nwarnings.filterwarnings('ignore')"


def test_pictures_settings_only_travel_to_steps_that_draw() -> None:
    analysis = analysis_of(
        "# %% imports\nimport matplotlib.pyplot as plt\nplt.style.use('ggplot')\n# %% step:a\nr = 1\n# %% step:b\nplt.plot([r])\n# %% outputs\nr"
    )
    assert analysis.pipeline.step("a").preamble == ()
    assert "plt.style.use" in analysis.pipeline.step("b").preamble[0].source


def test_a_declared_output_counts_as_changed() -> None:
    """The remedy the guard names for a change that the source does not show."""
    analysis = analysis_of(
        "# %% step:a\nx = object()\n# %% step:b\n#| outputs: x\nprint(x)\n# %% step:c\nr = x\n# %% outputs\nr"
    )
    assert sources(analysis.pipeline.step("b")) == {"x": "a"}
    assert sources(analysis.pipeline.step("c")) == {"x": "b"}


def test_reset_unbinds_everything() -> None:
    analysis = analysis_of("# %% step:a\nx = [1]\n# %% step:b\n%reset -f\n# %% step:c\nprint(x)")
    assert "K204" in codes(analysis)


def test_cells_of_one_step_may_stand_apart() -> None:
    analysis = analysis_of(
        "# %% step:a\nx = [1]\n# %% step:b\ny = [2]\n# %% step:a\nz = x\n# %% step:c\nr = [y, z]\n# %% outputs\nr"
    )
    assert analysis.ok
    assert [code.cell for code in analysis.pipeline.step("a").body] == [0, 2]


# Each case: the notebook, the code of the diagnostic.
PROBLEMS = {
    "undefined name": ("# %% step:a\nprint(nothing)", "K201"),
    "name from a skipped cell": ("# %% skip\nx = 1\n# %% step:a\nprint(x)", "K202"),
    "bound too late": ("# %% step:a\nprint(x)\n# %% step:b\nx = 1", "K203"),
    "deleted": ("# %% step:a\nx = []\n# %% step:b\ndel x\n# %% step:c\nprint(x)", "K204"),
    "changed between two cells of its maker": ("# %% step:a\nx = [1]\n# %% step:b\nr = x\n# %% step:a\nx.append(2)\n# %% outputs\nr", "K205"),
    "changed between two cells of its reader": (
        "# %% step:a\nx = [1]\n# %% step:b\nx = [2]\n# %% step:a\nr = x\n# %% outputs\nr", "K205"),
    "definition among other things": (
        "# %% step:a\nif True:\n    print(1)\n    def f(): return 1\n# %% step:b\nr = f()\n# %% outputs\nr", "K207"),
    "state on a function": ("# %% functions\ndef f(): return f.n\n# %% step:a\nf.n = 1\n# %% step:b\nr = f()\n# %% outputs\nr", "K208"),
    "class defined twice": (
        "# %% step:a\nclass C: pass\nobj = C()\n# %% step:b\nclass C: pass\n# %% step:c\nr = isinstance(obj, C)\n# %% outputs\nr", "K209"),
    "cycle by tags": ("# %% step:a after:b\nprint(1)\n# %% step:b after:a\nprint(2)", "K210"),
    "cycle by data and tag": ("# %% step:a after:b\nx = []\n# %% step:b\nprint(x)", "K210"),
    "reserved name": ("# %% step:a\nexecuted_notebook = 1\n# %% outputs\nexecuted_notebook", "K211"),
    "interactive history": ("# %% step:a\n1 + 1\n# %% step:b\nr = _ + 1\n# %% outputs\nr", "K212"),
    "output nobody binds": ("# %% step:a\nx = 1\n# %% outputs\ny", "K213"),
    "output that is code": ("# %% step:a\ndef f(): pass\n# %% outputs\nf", "K213"),
    "star import": ("# %% imports\nfrom math import *\n# %% step:a\nr = sqrt(4)\n# %% outputs\nr", "K214"),
    "setting made in a step": (
        "# %% imports\nimport decimal\n# %% step:a\ndecimal.DefaultContext.prec = 3\n# %% step:b\nr = decimal.Decimal(1)\n# %% outputs\nr", "K215"),
    "global random state": (
        "# %% imports\nimport random\nrandom.seed(1)\n# %% step:a\nx = random.random()\n# %% step:b\nr = [x, random.random()]\n# %% outputs\nr", "K216"),
    "preamble value that differs": (
        "# %% imports\nimport time\nstart = time.time()\n# %% step:a\nx = start\n# %% step:b\nr = [x, start]\n# %% outputs\nr", "K217"),
    "file between steps": (
        "# %% step:a\nopen('t.txt', 'w').write('x')\n# %% step:b after:a\nr = open('t.txt').read()\n# %% outputs\nr", "K218"),
    "order against the notebook": ("# %% step:a after:b\nprint(1)\n# %% step:b\nprint(2)", "K219"),
    "syntax error": ("# %% step:a\nx = = 1", "K221"),
    "parameter no literal": ("# %% parameters\nx = object()\n# %% step:a\nprint(x)", "K301"),
    "parameter a tuple": ("# %% parameters\nx = (1, 2)\n# %% step:a\nprint(x)", "K301"),
    "parameter against its annotation": ("# %% parameters\nx: int = 'a'\n# %% step:a\nprint(x)", "K302"),
    "open file": ("# %% step:a\nf = open('/dev/null')\n# %% step:b\nprint(f.name)", "K303"),
    "generator": ("# %% step:a\ng = (i for i in [1])\n# %% step:b\nprint(list(g))", "K303"),
    "unknown output type": ("# %% step:a\n#| outputs: {x: Nonsense}\nx = 1", "K304"),
    "declared output never bound": ("# %% step:a\n#| outputs: x\ny = 1", "K305"),
    "secret in source": ("# %% step:a\npassword = 'hunter2secretvalue'", "K306"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_cannot_be_right_is_diagnosed_with_a_place_and_a_remedy(case: str) -> None:
    text, code = PROBLEMS[case]
    analysis = analysis_of(text)
    found = [d for d in analysis.diagnostics if d.code == code]
    assert found, f"expected {code}, got {[str(d) for d in analysis.diagnostics]}"
    assert found[0].remedy
    assert found[0].cell is not None


# Notebooks that are fine although they look suspicious.
FINE = {
    "builtin": "# %% step:a\nprint(len([1]))",
    "caught name error": "# %% step:a\ntry:\n    cached\nexcept NameError:\n    cached = 1",
    "function defined before its global": "# %% step:a\ndef f(): return later\nlater = 1\nprint(f())",
    "recursion": "# %% step:a\ndef f(n): return n and f(n - 1)\n# %% step:b\nprint(f(3))",
    "mutual recursion": "# %% step:a\ndef f(n): return n and g(n - 1)\ndef g(n): return f(n)\n# %% step:b\nprint(f(3))",
    "optional import": "# %% imports\ntry:\n    import ujson as json\nexcept ImportError:\n    import json\n# %% step:a\nprint(json.dumps(1))",
    "ipython": "# %% step:a\nget_ipython()\ndisplay(1)",
    "underscore as a throwaway": "# %% step:a\nfor _ in range(2): pass\n# %% step:b\nprint(_)",
    "later secret": "# %% step:a\nimport os\npassword = os.environ.get('DB_PASSWORD')",
}


@pytest.mark.parametrize("case", FINE)
def test_no_false_alarm(case: str) -> None:
    assert codes(analysis_of(FINE[case])) == []
