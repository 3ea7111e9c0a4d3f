"""Steps in containers of Docker or Podman, on this machine.

``spec`` says what a container is to be (pure), ``client`` finds the container engine, ``images`` fetches images with
``credentials``, ``run`` is one container from its creation to its removal, ``attempt`` the try at a task around it,
``sweep`` removes what a dead engine left, ``build`` makes the image that notebook steps need. ``failures`` puts what
engines answer into words.
"""
