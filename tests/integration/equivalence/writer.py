"""Statements that hypothesis makes up, drawn with a rough idea of what every name holds.

Most programs run; where the idea is wrong (after branches, calls and deletions) they may fail, which
the law covers too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import indent

from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d", "e")
DATA = ("int", "list", "nest", "dict", "box")
_FUNCTIONS = ("f", "g")

Draw = Callable[[st.SearchStrategy], object]


@dataclass
class World:
    """What each name seems to hold.

    int, list (of ints), nest (a list of lists), dict (of lists), box, function, class (K, with ``m`` and
    ``get``), thing (an instance of K), calls (a dict with a lambda).
    """

    kinds: dict[str, str] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)

    def named(self, *kinds: str) -> list[str]:
        return sorted(name for name, kind in self.kinds.items() if kind in kinds)

    def changeable(self) -> list[str]:
        """Names of what may change in place: not what was made before the loop the code is in."""
        return [name for name in self.named("list", "nest", "dict", "box") if name not in self.frozen]


class Writer:
    """Draws statements. ``depth`` limits blocks inside blocks."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.world = World({"n": "int", "xs": "list", "TABLE": "dict", "LIMIT": "int"})

    def pick(self, items: object) -> str:
        return str(self.draw(st.sampled_from(items)))

    def number(self) -> int:
        return int(str(self.draw(st.integers(-2, 9))))

    def block(self, depth: int, most: int = 2) -> str:
        count = int(str(self.draw(st.integers(1 + most // 3, most))))
        return "\n".join(self.statement(depth) for _ in range(count))

    def statement(self, depth: int) -> str:
        """One statement that the world allows, drawn from those kinds of statements that apply."""
        applicable = [self._bind, self._bind, self._define]
        if self.world.named(*DATA):
            applicable += [self._derive, self._derive, self._alias, self._alias, self._compare]
        if self.world.changeable():
            applicable += [self._mutate, self._mutate, self._mutate, self._mutate_unseen]
        if self.world.named("function", "class", "thing", "calls"):
            applicable += [self._call, self._call]
        if set(self.world.kinds) & set(NAMES):
            applicable += [self._delete, self._probe, self._shadow]
        if depth > 0:
            applicable += [self._branch, self._loop, self._attempt, self._suppress]
        write = self.draw(st.sampled_from(applicable))
        return str(write(depth))  # type: ignore[operator]

    def _set(self, name: str, kind: str, source: str = "") -> str:
        """``name`` holds something of ``kind`` now, which may share data with ``source``."""
        self.world.kinds[name] = kind
        if source in self.world.frozen:
            self.world.frozen.add(name)
        else:
            self.world.frozen.discard(name)
        return name

    def _bind(self, depth: int) -> str:
        name, x = self.pick(NAMES), self.number()
        kind, value = self.draw(  # type: ignore[misc]
            st.sampled_from(
                [
                    ("int", f"= {x}"),
                    ("int", f": int = {x}"),
                    ("list", f"= [{x}]"),
                    ("list", f": list = [{x}]"),
                    ("list", f"= list(range({abs(x)}))"),
                    ("nest", f"= [[{x}]] * 2"),
                    ("dict", f'= {{"k": [{x}]}}'),
                    ("box", f"= Box([{x}])"),
                ]
            )
        )
        separator = "" if value.startswith(":") else " "
        return self._set(name, kind) + separator + value

    def _derive(self, depth: int) -> str:
        source = self.pick(self.world.named(*DATA))
        kind, name, x = self.world.kinds[source], self.pick(NAMES), self.number()
        templates = {
            "int": [("int", "{v} = {s} + {x}"), ("int", "{v}: int = {s} * 2"), ("list", "{v} = [{s}, {x}]")],
            "list": [
                ("int", "{v} = len({s})"),
                ("int", "{v} = sum({s})"),
                ("list", "{v} = {s} + [{x}]"),
                ("list", "{v} = [{v} for {v} in {s}]"),
                ("list", "{v} = sorted({s})"),
                ("list", "{v} = [(last := y) for y in {s}]"),
                ("dict", '{v} = {{"k": {s}, "l": [{x}]}}'),
                ("nest", "{v} = [{s}, {s}]"),
                ("box", "{v} = Box({s})"),
            ],
            "nest": [("int", "{v} = len({s})"), ("list", "{v} = [y for row in {s} for y in row]")],
            "dict": [("int", '{v} = len({s}["k"])'), ("nest", "{v} = list({s}.values())")],
            "box": [("int", "{v} = {s}.n + {x}"), ("list", "{v} = list({s}.items)")],
        }
        made, template = self.draw(st.sampled_from(templates[kind]))  # type: ignore[misc]
        self._set(name, made, source)
        return str(template).format(v=name, s=source, x=x)

    def _alias(self, depth: int) -> str:
        source = self.pick(self.world.named(*DATA))
        kind, name = self.world.kinds[source], self.pick(NAMES)
        parts = {"dict": ("list", '{s}["k"]'), "box": ("list", "{s}.items"), "nest": ("list", "{s}[0]")}
        made, form = self.draw(  # type: ignore[misc]
            st.sampled_from([(kind, "{s}"), (kind, "same({s})"), *([parts[kind]] if kind in parts else [])])
        )
        if name != source and self.draw(st.integers(0, 4)) == 0 and name in self.world.kinds:
            self.world.kinds[name], self.world.kinds[source] = kind, self.world.kinds[name]
            self.world.frozen |= {name, source} if self.world.frozen & {name, source} else set()
            return f"{name}, {source} = {source}, {name}"
        self._set(name, made, source)
        return f"{name} = " + str(form).format(s=source)

    def _compare(self, depth: int) -> str:
        known = self.world.named(*DATA)
        left, right, name = self.pick(known), self.pick(known), self.pick(NAMES)
        self._set(name, "int")
        # Small ints are one object in CPython, big ones are not kept so by any file.
        form = (
            "{v} = int({l} is {r})"
            if "int" not in (self.world.kinds.get(left), self.world.kinds.get(right))
            else "{v} = int({l} == {r})"
        )
        return form.format(v=name, l=left, r=right)

    def _mutate(self, depth: int) -> str:
        target = self.pick(self.world.changeable())
        forms = {
            "list": ["{t}.append({x})", "{t} += [{x}]", "{t}[:1] = [{x}]", "del {t}[:1]", "{t}.extend([{x}, 0])",
                     "grow({t}, {x})", "{t}.insert(0, {x})", "{t} *= 2", "{t}.clear()", "add = {t}.append; add({x})"],
            "nest": ["{t}[0].append({x})", "for row in {t}:\n    row.append({x})", "{t}.append([{x}])",
                     "grow({t}[-1], {x})", "{t}[0] = [{x}]"],
            "dict": ['{t}["k"].append({x})', '{t}["m"] = [{x}]', '{t}["k"] = [{x}]', '{t}.setdefault("s", []).append({x})',
                     'grow({t}["k"], {x})', '{t}["k"] += [{x}]', "for part in {t}.values():\n    part.append({x})"],
            "box": ["{t}.items.append({x})", "{t}.n += 1", "{t}.grow({x})", "grow({t}.items, {x})", "{t}.items = [{x}]",
                    'setattr({t}, "n", {x})'],
        }  # fmt: skip
        return self.pick(forms[self.world.kinds[target]]).format(t=target, x=self.number())

    def _mutate_unseen(self, depth: int) -> str:
        target = self.pick(self.world.changeable())
        inside = {"list": "{t}", "nest": "{t}[0]", "dict": '{t}["k"]', "box": "{t}.items"}[
            self.world.kinds[target]
        ]
        inside = inside.format(t=target)
        forms = ["insort({i}, {x})", "getattr({i}, 'app' + 'end')({x})", "list(map({i}.append, [{x}]))"]
        return self.pick(forms).format(i=inside, x=self.number())

    def _define(self, depth: int) -> str:
        name = self.pick([*_FUNCTIONS, "K"])
        source = self.pick([*self.world.named(*DATA), *NAMES[:2]])
        if name == "K":
            self._set(name, "class")
            return f"class K:\n    m = {source}\n    def get(self):\n        return {source}"
        bodies = [
            "def {f}():\n    return {s}",
            "def {f}(x={s}):\n    return x",
            "def {f}():\n    global {s}\n    {s} = {x}",
            "def {f}():\n    {s} = [{x}]\n    return {s}",
            "{f} = lambda: {s}",
            "def {f}():\n    return [{s}, {x}]",
            "def {f}(y={s}):\n    def inner():\n        return y\n    return inner()",
        ]
        if source in self.world.changeable() and self.world.kinds[source] == "list":
            bodies.append("def {f}():\n    {s}.append({x})\n    return len({s})")
        if others := [g for g in self.world.named("function") if g != name]:
            bodies.append(f"def {{f}}():\n    return {others[0]}()")
        text = self.pick(bodies).format(f=name, s=source, x=self.number())
        self._set(name, "function")
        return text

    def _call(self, depth: int) -> str:
        called, name = self.pick(self.world.named("function", "class", "thing", "calls")), self.pick(NAMES)
        forms = {
            "function": [("", "{c}()"), ("unknown", "{c}()"), ("calls", '{{"f": lambda: {c}()}}')],
            "class": [("unknown", "{c}().get()"), ("unknown", "{c}.m"), ("thing", "{c}()")],
            "thing": [("unknown", "{c}.get()"), ("int", "int(isinstance({c}, K))"), ("thing", "same({c})")],
            "calls": [("unknown", '{c}["f"]()'), ("calls", "dict({c})")],
        }
        made, form = self.draw(st.sampled_from(forms[self.world.kinds[called]]))  # type: ignore[misc]
        text = str(form).format(c=called)
        return f"{self._set(name, made)} = {text}" if made else text

    def _delete(self, depth: int) -> str:
        name = self.pick(sorted(set(self.world.kinds) & set(NAMES)))
        del self.world.kinds[name]
        return f"del {name}"

    def _probe(self, depth: int) -> str:
        name, result = self.pick(NAMES), self.pick(NAMES)
        self._set(result, "unknown")
        return f'try:\n    {result} = {name}\nexcept NameError:\n    {result} = "unbound"'

    def _shadow(self, depth: int) -> str:
        name = self.pick(NAMES)
        ints = self.world.named("int") or ["n"]
        form = self.pick(
            ["max = {i}", "{v} = max if isinstance(max, int) else -1", "len = len", "insort = grow"]
        )
        if "{v}" in form:
            self._set(name, "int")
        return form.format(v=name, i=ints[0])

    def _branch(self, depth: int) -> str:
        ints, lists = self.world.named("int") or ["n"], self.world.named("list") or ["xs"]
        condition = self.pick(["flag", "not flag", f"{ints[0]} % 2", f"len({lists[0]}) > 1", "n > 100"])
        before = dict(self.world.kinds)
        text = f"if {condition}:\n" + indent(self.block(depth - 1), "    ")
        taken = self.world.kinds
        self.world.kinds = dict(before)
        if self.draw(st.booleans()):
            text += "\nelse:\n" + indent(self.block(depth - 1), "    ")
        # What both ways agree on is still known.
        self.world.kinds = {k: v if taken.get(k) == v else "unknown" for k, v in self.world.kinds.items()}
        return text

    def _loop(self, depth: int) -> str:
        lists, name = self.world.named("list") or ["xs"], self.pick(NAMES)
        head = self.pick(
            ["for i in range(2):", "for {v} in list({s}):", "for {v} in [1, 2]:", "for {v} in []:"]
        )
        before = dict(self.world.kinds)
        if "{v}" in head:
            self._set(name, "int")
        text = head.format(v=name, s=lists[0]) + "\n" + indent(self.block(depth - 1), "    ")
        if "[]" in head:
            self.world.kinds = before
        return text

    def _attempt(self, depth: int) -> str:
        name = self.pick(NAMES)
        body = indent(self.block(depth - 1), "    ")
        stop = self.pick(["    raise ValueError(1)\n", "    int('x')\n", ""])
        self.world.kinds.pop(name, None)
        return f"try:\n{body}\n{stop}except ValueError as {name}:\n    message = str({name})"

    def _suppress(self, depth: int) -> str:
        before = dict(self.world.kinds)
        text = "with suppress(LookupError):\n" + indent(self.block(depth - 1), "    ")
        if self.draw(st.booleans()):
            text += "\n    {}['missing']\n" + indent(self.block(depth - 1), "    ")
            self.world.kinds = {
                k: v if before.get(k) == v else "unknown" for k, v in self.world.kinds.items()
            }
        return text
