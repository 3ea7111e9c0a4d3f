"""``python -m jupyter_kfp.cli``, the same as ``jupyter kfp``."""

from jupyter_kfp.cli import main

main(prog_name="jupyter kfp")
