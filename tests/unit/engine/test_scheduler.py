import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine.scheduler import Action, End, Scheduler, Start
from jupyter_kfp.store.records import State

Graph = dict[str, frozenset[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Directed graphs without cycles, in any order of their keys."""
    names = [f"t{n}" for n in range(draw(st.integers(0, 12)))]
    edges = {
        name: frozenset(draw(st.sets(st.sampled_from(names[:n]), max_size=4))) if n else frozenset()
        for n, name in enumerate(names)
    }
    return {name: edges[name] for name in draw(st.permutations(names))}


def descendants(graph: Graph, roots: set[str]) -> set[str]:
    found = set(roots)
    while True:
        more = {name for name, upstream in graph.items() if upstream & found} - found
        if not more:
            return found - roots
        found |= more


class Simulation:
    """Drives a scheduler: which running task ends next, and how, is drawn."""

    def __init__(self, graph: Graph, slots: int, data: st.DataObject, outcomes: list[State]) -> None:
        self.graph, self.slots, self.data, self.outcomes = graph, slots, data, outcomes
        self.scheduler = Scheduler(graph, slots)
        self.running: list[str] = []
        self.started: list[str] = []
        self.ended: dict[str, State] = {}

    def apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(task):
                    assert all(self.ended[u].is_success for u in self.graph[task]), (
                        "upstream ended well before"
                    )
                    self.started.append(task)
                    self.running.append(task)
                case End(task, state, _cause):
                    assert task not in self.started
                    assert task not in self.ended
                    self.ended[task] = state
        assert len(self.running) <= self.slots
        ready = [
            t
            for t, up in self.graph.items()
            if t not in self.started
            and t not in self.ended
            and all(u in self.ended and self.ended[u].is_success for u in up)
        ]
        assert not ready or len(self.running) == self.slots, "no slot is idle while a task could run"

    def run(self) -> None:
        self.apply(self.scheduler.begin())
        while self.running:
            task = self.running.pop(self.data.draw(st.integers(0, len(self.running) - 1)))
            state = self.data.draw(st.sampled_from(self.outcomes))
            self.ended[task] = state
            self.apply(self.scheduler.finished(task, state))
        assert self.scheduler.done
        assert set(self.ended) == set(self.graph)


@given(graph=graphs(), slots=st.integers(1, 4), data=st.data())
def test_all_tasks_run_once_in_topological_order_on_as_many_slots_as_there_are(
    graph: Graph, slots: int, data: st.DataObject
) -> None:
    simulation = Simulation(graph, slots, data, [State.SUCCEEDED, State.CACHED])
    simulation.run()
    assert sorted(simulation.started) == sorted(graph)


@given(graph=graphs(), slots=st.integers(1, 4), data=st.data())
def test_a_failure_stops_its_dependents_and_nothing_else(
    graph: Graph, slots: int, data: st.DataObject
) -> None:
    simulation = Simulation(graph, slots, data, [State.SUCCEEDED, State.FAILED])
    simulation.run()
    failed = {task for task, state in simulation.ended.items() if state is State.FAILED}
    skipped = {task for task, state in simulation.ended.items() if state is State.SKIPPED}
    assert skipped == descendants(graph, failed) - failed
    assert {simulation.scheduler.state(task) for task in skipped} <= {State.SKIPPED}


@given(graph=graphs(), slots=st.integers(1, 4), data=st.data(), after=st.integers(0, 5))
def test_after_a_cancel_nothing_starts(graph: Graph, slots: int, data: st.DataObject, after: int) -> None:
    simulation = Simulation(graph, slots, data, [State.SUCCEEDED])
    simulation.apply(simulation.scheduler.begin())
    for _ in range(after):
        if simulation.running:
            task = simulation.running.pop()
            simulation.ended[task] = State.SUCCEEDED
            simulation.apply(simulation.scheduler.finished(task, State.SUCCEEDED))
    started = list(simulation.started)
    ended = simulation.scheduler.cancel()
    assert {action.task for action in ended} == set(graph) - set(started)  # type: ignore[union-attr]
    for task in simulation.running:
        assert simulation.scheduler.finished(task, State.CANCELED) == []
    assert simulation.scheduler.done


def test_tasks_start_in_the_order_they_are_written() -> None:
    scheduler = Scheduler({"b": (), "a": (), "c": ()}, 2)
    assert scheduler.begin() == [Start("b"), Start("a")]
    assert scheduler.finished("a", State.SUCCEEDED) == [Start("c")]


def test_a_skip_names_what_caused_it() -> None:
    scheduler = Scheduler({"a": (), "b": ("a",), "c": ("b",)}, 1)
    scheduler.begin()
    assert scheduler.finished("a", State.FAILED) == [
        End("b", State.SKIPPED, "a"),
        End("c", State.SKIPPED, "b"),
    ]


def test_a_task_between_two_tries_holds_no_slot_and_comes_first_again() -> None:
    scheduler = Scheduler({"a": (), "b": (), "c": ()}, 1)
    assert scheduler.begin() == [Start("a")]
    assert scheduler.paused("a") == [Start("b")]
    assert scheduler.resumed("a") == []
    assert scheduler.finished("b", State.SUCCEEDED) == [Start("a")]
    assert scheduler.finished("a", State.SUCCEEDED) == [Start("c")]
    assert not scheduler.done


def test_a_paused_task_can_be_canceled() -> None:
    scheduler = Scheduler({"a": (), "b": ("a",)}, 1)
    scheduler.begin()
    scheduler.paused("a")
    assert scheduler.cancel() == [End("b", State.CANCELED)]
    assert scheduler.finished_paused("a", State.CANCELED) == []
    assert scheduler.done


def test_there_is_at_least_one_slot() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Scheduler({}, 0)


def test_the_work_per_event_does_not_grow_with_the_run() -> None:
    """A chain of 20,000 tasks takes about as long per task as one of 200."""

    def per_task(count: int) -> float:
        scheduler = Scheduler({f"t{n}": (f"t{n - 1}",) if n else () for n in range(count)}, 4)
        actions = scheduler.begin()
        begun = time.process_time()
        for n in range(count):
            assert actions == [Start(f"t{n}")]
            actions = scheduler.finished(f"t{n}", State.SUCCEEDED)
        return (time.process_time() - begun) / count

    per_task(200)  # warm
    assert per_task(20_000) < 20 * per_task(200)
