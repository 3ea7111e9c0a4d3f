"""Control flow in the live kernel: what ``--if``, ``--for`` and their kind do to a cell that is executed.

A cell stays the Python it is. Its statements are put into real ``if`` and ``for`` statements
(:mod:`~jupyter_kfp.live.wrapping`), which ask a :class:`~jupyter_kfp.live.cell.CellRun` what to do; that
keeps the branches taken and the iterations of loops in a tree (:mod:`~jupyter_kfp.live.tree`). Only
:mod:`~jupyter_kfp.live.shell` knows IPython.
"""
