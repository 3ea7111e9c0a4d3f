"""Run All ≡ pipeline: a notebook run whole in one kernel and as a pipeline gives the same outputs.

``case``      the corpus: reads ``tests/data/equivalence/*.ipy`` into notebooks
``describe``  a value as canonical text, which is what gets compared
``zygote``    forks a warm process for every shell, so that a shell costs milliseconds
``shell``     IPython as a kernel runs it, without the kernel
``run_all``   the notebook, whole
``fast``      the notebook as a pipeline: real compiler, IR and runtime; papermill without a kernel
``container`` one container task of it
``cel``       its trigger policies
``full``      the notebook as a pipeline: the engine and a kernel per step
``outcome``   the law, applied to two outcomes
``strategy``  notebooks that hypothesis makes up, of statements that ``writer`` draws;
              ``strategy_control`` puts branches and loops between them
"""
