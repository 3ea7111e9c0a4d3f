"""Runs compiled pipelines on this machine, each run in a process of its own.

::

    launch      start, follow, cancel: what the command line, the API and magics call
    result      a run as the JSON document that `run --json` prints
    starting    the engine's process, started before it is known what it is to run
    __main__    that process: `python -m jupyter_kfp.engine`
    supervisor  its loop: events in, actions out, everything recorded
    scheduler   pure: what may start now
    dataflow    pure: the values that reach a task
    attempt     one try at a task: directories, command, outputs
    process     operating-system processes: starting, ending, leaving none behind
    warm        steps and kernels as forks of processes that have loaded what they need, shared by all runs
    plan, ir    the pipeline, and reading it from KFP's IR
"""
