"""The ends of tasks: written down, and told to the tree, so that the tasks after them can begin."""

from __future__ import annotations

from jupyter_kfp.engine import cel
from jupyter_kfp.engine.attempt import Made
from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.reuse import Result, Reuse
from jupyter_kfp.engine.tree import Tree
from jupyter_kfp.store.recorder import RunRecorder
from jupyter_kfp.store.records import Failure, State, TaskKind


class Book:
    """What has happened to the tasks of a run. ``run`` is the run's resource name."""

    def __init__(self, tree: Tree, recorder: RunRecorder, run: str, reuse: Reuse) -> None:
        self._tree = tree
        self._recorder = recorder
        self._run = run
        self._reuse = reuse

    def task_ended(
        self,
        path: str,
        state: State,
        *,
        failure: Failure | None = None,
        made: Made | None = None,
        key: str | None = None,
    ) -> None:
        """A task that has an executor has ended, or never began. ``key``: under which others may reuse it."""
        made = made or Made()
        artifacts = {port: [artifact for artifact, _path in all_] for port, all_ in made.artifacts.items()}
        ids = self._recorder.end_task(
            path,
            state,
            failure=failure,
            parameters=made.parameters,
            artifacts=artifacts,
            cache_key=key,
            origin=made.origin,
        )
        produced = {
            port: tuple(
                Produced(artifact, id_, place) for (artifact, place), id_ in zip(all_, ids[port], strict=True)
            )
            for port, all_ in made.artifacts.items()
        }
        self._tell(path, state, failure, Values(made.parameters, produced))

    def kept(self, path: str, found: Result) -> None:
        """A task has ended before this engine; the store knows."""
        self._tell(path, found.source.state, found.source.failure, found.outputs)

    def reused(self, path: str, found: Result) -> None:
        """A task is CACHED, with the outputs of one of another run."""
        self._recorder.reuse(path, found.source)
        self._tell(path, State.CACHED, None, found.outputs)

    def group_closed(self, path: str, state: State) -> None:
        """Everything in a group has ended, and so has the group."""
        outputs = self._tree.close(path)
        if self._tree.is_iteration(path):
            return
        self._recorder.end_group(path, state)
        failures = self._tree.failures(path)
        self._tree.ended(
            path, state, run=self._run, outputs=outputs, why=summary(failures) if failures else None
        )

    def never_began(self, path: str, state: State, failure: Failure | None = None) -> None:
        """A task will not begin, and what is inside it neither. ``failure``: why it failed, or was skipped."""
        is_iteration = self._tree.is_iteration(path)
        if state is not State.CANCELED and not is_iteration:
            self._reuse.skipped(self._tree.spot(path))
        if not is_iteration and not self._tree.is_group(path):
            self._ended(path, state, failure)
            self._tell(path, state, failure)
            return
        failed = state is State.FAILED
        if not is_iteration:
            self._recorder.end_group(path, state, failure=failure if failed else None)
            self._tell(path, state, failure)
        inner_state = State.SKIPPED if failed else state
        inner_why = Failure(f"Skipped, because {path!r} did not succeed.") if failed else failure
        new = []
        for row, is_new in self._tree.inside(path):
            if is_new:
                new.append(row)
            elif row.kind is TaskKind.GROUP:
                self._recorder.end_group(row.path, inner_state)
            else:
                self._ended(row.path, inner_state, inner_why)
        self._recorder.add_tasks(new, inner_state, failure=inner_why)

    def _ended(self, path: str, state: State, failure: Failure | None) -> None:
        """Record the end of a task that will not begin; of one that an earlier engine finished, only if it has to."""
        if self._reuse.own and self._reuse.holds(path):
            if state is State.CANCELED:
                return  # it stays finished, for the next engine to find
            self._reuse.drop(path)
            self._recorder.begin_again(path)
        self._recorder.end_task(path, state, failure=failure)

    def _tell(self, path: str, state: State, failure: Failure | None, outputs: Values | None = None) -> None:
        if state is State.FAILED and failure is not None:
            self._tree.fail(path, failure)
        self._tree.ended(path, state, run=self._run, outputs=outputs, why=failure)


def skipped(cause: str | None, *, failed: bool) -> Failure | None:
    """Why a task was skipped: for what ``cause``, a task before it, came to."""
    if cause is None:
        return None
    return Failure(f"Skipped, because {cause!r} {'did not succeed' if failed else 'was skipped'}.")


def not_taken(condition: str | None) -> Failure:
    """Why a task was skipped whose condition is false."""
    return Failure(f"Skipped, because {cel.readable(condition or '')} is false.")


def summary(failures: dict[str, Failure]) -> Failure:
    """The failure of a run or a group, from those of its tasks (in the order they failed)."""
    (first, why), *more = failures.items()
    others = ", ".join(path for path, _why in more)
    message = f"{first}: {why.message}" + (f" Also failed: {others}." if others else "")
    return Failure(message, why.type, why.cell)
