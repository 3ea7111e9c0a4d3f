"""``python -m tests.kfp_server --home DIR [--port N] [--root URL] [--cert FILE --key FILE]``.

Prints its port as the first line of standard output. Everything it keeps is under DIR.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path


def main() -> None:
    """Serve until the process is ended, or its standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--root")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    os.environ["JUPYTER_KFP_HOME"] = str(given.home / "engine")
    os.environ.pop("JUPYTER_KFP_STORE_URL", None)
    os.environ.pop("JUPYTER_KFP_ARTIFACT_ROOT", None)

    # The grammar of addresses, which jsonschema imports just in case, takes longer than all the rest.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

    from werkzeug.serving import make_server

    from tests.kfp_server.app import Server, create

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    tls = (given.cert, given.key) if given.cert else None
    server = make_server(
        "127.0.0.1", given.port, create(Server(given.home, given.root)), threaded=True, ssl_context=tls
    )
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


main()
