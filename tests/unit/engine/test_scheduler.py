import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine.scheduler import Action, Close, End, Node, Scheduler, Start
from jupyter_kfp.store.records import State

Graph = dict[str, Node]


def plain(upstream: dict[str, tuple[str, ...]]) -> Graph:
    return {task: Node(others) for task, others in upstream.items()}


def scheduled(upstream: dict[str, tuple[str, ...]], slots: int) -> tuple[Scheduler, list[Action]]:
    scheduler = Scheduler(slots)
    return scheduler, scheduler.open(None, plain(upstream))


@st.composite
def graphs(draw: st.DrawFn, prefix: str = "t", size: int = 12) -> Graph:
    """Directed graphs without cycles, in any order of their keys; some tasks run whatever happens before."""
    names = [f"{prefix}{n}" for n in range(draw(st.integers(0, size)))]
    nodes = {
        name: Node(
            draw(st.frozensets(st.sampled_from(names[:n]), max_size=4)) if n else frozenset(),
            waits_for_all=draw(st.integers(0, 9)) == 0,
        )
        for n, name in enumerate(names)
    }
    return {name: nodes[name] for name in draw(st.permutations(names))}


@st.composite
def forests(draw: st.DrawFn) -> tuple[Graph, dict[str, tuple[Graph, int | None]]]:
    """A graph some of whose tasks are boxes, with what is in them and how many of it may run at once."""
    root = draw(graphs())
    boxes = {}
    for name in list(root):
        if draw(st.integers(0, 3)) == 0:
            node = root[name]
            root[name] = Node(node.upstream, node.waits_for_all, is_box=True)
            boxes[name] = (
                draw(graphs(f"{name}.", 4)),
                draw(st.sampled_from([None, 1, 2])),
            )
    return root, boxes


class Simulation:
    """Drives a scheduler: which running task ends next, and how, is drawn."""

    def __init__(
        self,
        forest: tuple[Graph, dict[str, tuple[Graph, int | None]]],
        slots: int,
        data: st.DataObject,
        outcomes: list[State],
    ) -> None:
        self.root, self.boxes = forest
        self.nodes = dict(self.root)
        for inside, _limit in self.boxes.values():
            self.nodes |= inside
        self.slots, self.data, self.outcomes = slots, data, outcomes
        self.scheduler = Scheduler(slots)
        self.running: list[str] = []
        self.started: list[str] = []
        self.ended: dict[str, State] = {}
        self.outcome: State | None = None

    def apply(self, actions: list[Action]) -> None:
        waiting = actions[::-1]
        while waiting:
            match waiting.pop():
                case Start(task):
                    node = self.nodes[task]
                    assert all(
                        self.ended[u].is_final if node.waits_for_all else self.ended[u].is_success
                        for u in node.upstream
                    ), "upstream ended as it should"
                    self.started.append(task)
                    if task in self.boxes:
                        inside, limit = self.boxes[task]
                        waiting += self.scheduler.open(task, inside, limit=limit)[::-1]
                    else:
                        self.running.append(task)
                case End(task, state, _cause):
                    assert task not in self.started
                    assert task not in self.ended
                    self.ended[task] = state
                case Close(None, state):
                    assert self.outcome is None
                    self.outcome = state
                case Close(str(box), state):
                    assert set(self.boxes[box][0]) <= set(self.ended), "a box ends after what is in it"
                    self.ended[box] = state
        assert len(self.running) <= self.slots
        for box, (inside, limit) in self.boxes.items():
            if limit is not None:
                at_once = [task for task in self.running if task in inside]
                assert len(at_once) <= limit, f"{box} runs no more than {limit} at once"

    def end(self, state: State | None = None) -> None:
        task = self.running.pop(self.data.draw(st.integers(0, len(self.running) - 1)))
        self.ended[task] = state or self.data.draw(st.sampled_from(self.outcomes))
        self.apply(self.scheduler.finished(task, self.ended[task]))

    def run(self) -> None:
        self.apply(self.scheduler.open(None, self.root))
        while self.running:
            self.end()
        assert self.scheduler.done
        assert set(self.root) <= set(self.ended)


@given(forest=forests(), slots=st.integers(1, 4), data=st.data())
def test_all_tasks_run_once_in_topological_order_on_as_many_slots_as_there_are(
    forest: tuple[Graph, dict[str, tuple[Graph, int | None]]], slots: int, data: st.DataObject
) -> None:
    simulation = Simulation(forest, slots, data, [State.SUCCEEDED, State.CACHED])
    simulation.run()
    assert sorted(simulation.started) == sorted(simulation.nodes)
    assert simulation.outcome is State.SUCCEEDED


@given(forest=forests(), slots=st.integers(1, 4), data=st.data())
def test_a_failure_stops_its_dependents_and_nothing_else(
    forest: tuple[Graph, dict[str, tuple[Graph, int | None]]], slots: int, data: st.DataObject
) -> None:
    simulation = Simulation(forest, slots, data, [State.SUCCEEDED, State.FAILED])
    simulation.run()
    for task, state in simulation.ended.items():
        node = simulation.nodes[task]
        stopped = any(not simulation.ended[u].is_success for u in node.upstream) and not node.waits_for_all
        assert (state is State.SKIPPED) is stopped
    for box, (inside, _limit) in simulation.boxes.items():
        if box in simulation.started:
            failed = any(simulation.ended[task] is State.FAILED for task in inside)
            assert simulation.ended[box] is (State.FAILED if failed else State.SUCCEEDED)
    any_failed = any(state is State.FAILED for state in simulation.ended.values())
    assert simulation.outcome is (State.FAILED if any_failed else State.SUCCEEDED)


@given(graph=graphs(), slots=st.integers(1, 4), data=st.data())
def test_no_slot_is_idle_while_a_task_could_run(graph: Graph, slots: int, data: st.DataObject) -> None:
    simulation = Simulation((graph, {}), slots, data, [State.SUCCEEDED, State.FAILED])
    simulation.apply(simulation.scheduler.open(None, graph))
    while simulation.running:
        ready = [
            t
            for t, node in graph.items()
            if t not in simulation.started
            and t not in simulation.ended
            and all(u in simulation.ended for u in node.upstream)
        ]
        assert not ready or len(simulation.running) == slots
        simulation.end()


@given(forest=forests(), slots=st.integers(1, 4), data=st.data(), after=st.integers(0, 5))
def test_after_a_cancel_nothing_starts(
    forest: tuple[Graph, dict[str, tuple[Graph, int | None]]], slots: int, data: st.DataObject, after: int
) -> None:
    simulation = Simulation(forest, slots, data, [State.SUCCEEDED])
    simulation.apply(simulation.scheduler.open(None, simulation.root))
    for _ in range(after):
        if simulation.running:
            simulation.end()
    started = list(simulation.started)
    simulation.apply(simulation.scheduler.cancel())
    while simulation.running:
        simulation.end(State.CANCELED)
    assert simulation.started == started
    assert simulation.scheduler.done
    assert set(simulation.root) <= set(simulation.ended)


def test_tasks_start_in_the_order_they_are_written() -> None:
    scheduler, actions = scheduled({"b": (), "a": (), "c": ()}, 2)
    assert actions == [Start("b"), Start("a")]
    assert scheduler.finished("a", State.SUCCEEDED) == [Start("c")]


def test_a_skip_names_what_caused_it() -> None:
    scheduler, _ = scheduled({"a": (), "b": ("a",), "c": ("b",)}, 1)
    assert scheduler.finished("a", State.FAILED) == [
        End("b", State.SKIPPED, "a"),
        End("c", State.SKIPPED, "b"),
        Close(None, State.FAILED),
    ]


def test_a_branch_that_is_not_taken_is_no_failure() -> None:
    scheduler, _ = scheduled({"a": (), "b": ("a",), "c": ("b",)}, 1)
    assert scheduler.skip("a") == [
        End("b", State.SKIPPED, "a", failed=False),
        End("c", State.SKIPPED, "b", failed=False),
        Close(None, State.SUCCEEDED),
    ]


def test_a_box_ends_when_everything_in_it_has_and_those_after_it_begin() -> None:
    scheduler = Scheduler(1)
    nodes = {"box": Node(is_box=True), "after": Node(("box",)), "empty": Node(("box",), is_box=True)}
    assert scheduler.open(None, nodes) == [Start("box")]
    assert scheduler.open("box", plain({"box.a": (), "box.b": ("box.a",)})) == [Start("box.a")]
    assert scheduler.finished("box.a", State.SUCCEEDED) == [Start("box.b")]
    assert scheduler.finished("box.b", State.SUCCEEDED) == [
        Close("box", State.SUCCEEDED),
        Start("empty"),
        Start("after"),
    ]
    assert scheduler.open("empty", {}) == [Close("empty", State.SUCCEEDED)]
    assert scheduler.finished("after", State.SUCCEEDED) == [Close(None, State.SUCCEEDED)]


def test_the_iterations_of_a_loop_begin_as_others_end() -> None:
    scheduler = Scheduler(8)
    scheduler.open(None, {"loop": Node(is_box=True)})
    iterations = {f"loop[{n}]": Node(is_box=True) for n in range(3)}
    assert scheduler.open("loop", iterations, limit=1) == [Start("loop[0]")]
    for n in range(3):
        assert scheduler.open(f"loop[{n}]", {f"loop.t[{n}]": Node()}) == [Start(f"loop.t[{n}]")]
        state = State.FAILED if n == 1 else State.SUCCEEDED
        following = (
            [Start(f"loop[{n + 1}]")] if n < 2 else [Close("loop", State.FAILED), Close(None, State.FAILED)]
        )
        assert scheduler.finished(f"loop.t[{n}]", state) == [Close(f"loop[{n}]", state), *following]


def test_an_exit_task_runs_after_a_cancel_of_what_had_begun_but_not_after_a_second() -> None:
    def begun() -> Scheduler:
        scheduler = Scheduler(1)
        nodes = {
            "main": Node(),
            "clean": Node(("main",), waits_for_all=True, always=True),
            "later": Node(("main",)),
            "clean-later": Node(("later",), waits_for_all=True, always=True),
        }
        assert scheduler.open(None, nodes) == [Start("main")]
        return scheduler

    scheduler = begun()
    assert scheduler.cancel() == [End("later", State.CANCELED), End("clean-later", State.CANCELED)]
    assert scheduler.finished("main", State.CANCELED) == [Start("clean")]
    assert scheduler.finished("clean", State.SUCCEEDED) == [Close(None, State.CANCELED)]

    scheduler = begun()
    scheduler.cancel()
    assert scheduler.cancel(at_once=True) == [End("clean", State.CANCELED)]
    assert scheduler.finished("main", State.CANCELED) == [Close(None, State.CANCELED)]


def test_a_task_between_two_tries_holds_no_slot_and_comes_first_again() -> None:
    scheduler, actions = scheduled({"a": (), "b": (), "c": ()}, 1)
    assert actions == [Start("a")]
    assert scheduler.paused("a") == [Start("b")]
    assert scheduler.resumed("a") == []
    assert scheduler.finished("b", State.SUCCEEDED) == [Start("a")]
    assert scheduler.finished("a", State.SUCCEEDED) == [Start("c")]
    assert not scheduler.done


def test_a_paused_task_can_be_canceled() -> None:
    scheduler, _ = scheduled({"a": (), "b": ("a",)}, 1)
    scheduler.paused("a")
    assert scheduler.cancel() == [End("b", State.CANCELED)]
    assert scheduler.finished_paused("a", State.CANCELED) == [Close(None, State.CANCELED)]
    assert scheduler.done


def test_there_is_at_least_one_slot() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Scheduler(0)


def chain(count: int) -> Callable[[], None]:
    nodes = plain({f"t{n}": (f"t{n - 1}",) if n else () for n in range(count)})

    def run() -> None:
        scheduler = Scheduler(4)
        actions = scheduler.open(None, nodes)
        for n in range(count):
            assert actions == [Start(f"t{n}")]
            actions = scheduler.finished(f"t{n}", State.SUCCEEDED)

    return run


def loop(count: int) -> Callable[[], None]:
    iterations = {f"loop[{n}]": Node(is_box=True) for n in range(count)}

    def run() -> None:
        scheduler = Scheduler(4)
        scheduler.open(None, {"loop": Node(is_box=True)})
        (action,) = scheduler.open("loop", iterations, limit=1)
        for n in range(count):
            assert action == Start(f"loop[{n}]")
            scheduler.open(f"loop[{n}]", {f"t{n}": Node()})
            action = scheduler.finished(f"t{n}", State.SUCCEEDED)[1]

    return run


@pytest.mark.parametrize("pipeline", [chain, loop])
def test_the_work_per_event_does_not_grow_with_the_run(
    pipeline: Callable[[int], Callable[[], None]],
) -> None:
    """A run of 20,000 tasks takes about as long per task as one of 200."""

    def per_task(count: int) -> float:
        run = pipeline(count)
        begun = time.process_time()
        run()
        return (time.process_time() - begun) / count

    per_task(200)  # warm
    assert per_task(20_000) < 20 * per_task(200)
