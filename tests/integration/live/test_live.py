"""Control flow in a real kernel: one notebook of many cells, executed once."""

from __future__ import annotations

import pytest

from .executing import TIMEOUT, Look, Shown, execute

pytestmark = pytest.mark.timeout(TIMEOUT)

# An interrupt as the front end's button sends it, once the cell has got so far.
INTERRUPT = """\
import os, signal, threading, time, pathlib
def interrupt(file):
    def wait():
        while not pathlib.Path(file).exists(): time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()
"""

CELLS = {
    "load": "%load_ext jupyter_kfp",
    "names": "import asyncio\nrates = [0.1, 0.2]\naccuracy = 0.71\nlr = 'around'",
    "skipped": "%%component deploy --if accuracy >= 0.9\ndeployed = True",
    "else": "%%component keep --else\ndeployed = False\ndeployed",
    "loop": "%%component train --for lr in rates --parallelism 2\nawait asyncio.sleep(0)\nscore = lr * 10\nscore",
    "same loop": "%%component test --for lr in rates --collect scores=score\n%time score += 1",
    "after": "scores, lr, 'score' in globals()",
    "error": "%%component fail --for lr in rates\nmore = 1\nif lr > 0.1:\n    1 / 0",
    "after error": "lr, 'more' in globals()",
    "status": "%%component notify --on-exit\nmade = status\nprint(status.state, status.error_message)",
    "after status": "'made' in globals(), 'status' in globals()",
    "interrupt": INTERRUPT,
    "interrupted": "interrupt('began')\n",
    "interrupted loop": "%%component slow --for lr in rates\nopen('began', 'w').close()\nawait asyncio.sleep(60)",
    "after interrupt": "lr, scores",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Look:
    return execute(tmp_path_factory.mktemp("live"), CELLS)


def test_branches(shown: Look) -> None:
    assert shown("skipped") == Shown("Skipped deploy: accuracy >= 0.9 is false (accuracy = 0.71)\n", "", ())
    assert shown("else") == Shown("", "", ("False",))


def test_loops(shown: Look) -> None:
    assert shown("loop") == Shown("lr = 0.1 (1 of 2)\nlr = 0.2 (2 of 2)\n", "", ("1.0", "2.0"))
    assert shown("same loop").text.count("Wall time") == 2
    assert shown("after").results == ("([2.0, 3.0], 'around', False)",)


def test_an_error_in_a_loop(shown: Look) -> None:
    error = shown("error").error
    assert "----> 4     1 / 0" in error
    assert "In the iteration lr = 0.2 (2 of 2) of fail." in error
    assert "jupyter_kfp/" not in error
    assert shown("after error").results == ("('around', False)",)


def test_an_exit_step(shown: Look) -> None:
    assert shown("status").text == "FAILED ZeroDivisionError: division by zero\n"
    assert shown("after status").results == ("(False, False)",)


def test_an_interrupted_loop(shown: Look) -> None:
    error = shown("interrupted loop").error
    assert "CancelledError" in error or "KeyboardInterrupt" in error
    assert shown("after interrupt").results == ("('around', [2.0, 3.0])",)
