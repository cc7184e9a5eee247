"""Records every name outside this machine that a Python process looks up or connects to.

Python imports this module at its start when its folder is on PYTHONPATH, so every process of a stack has it. Lines go
to the file named by AUTOPILOT_TEST_NAMES_FILE. It does not see what native code resolves by itself (libuv, Rust).
"""

import os
import socket
import sys

_FILE = os.environ.get("AUTOPILOT_TEST_NAMES_FILE")
_HERE = {None, "", "localhost", "::1", "::", "0.0.0.0", socket.gethostname()}
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def _audit(event: str, arguments: tuple) -> None:
    if event in _LOOKUPS:
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in _HERE and not str(host).startswith("127."):
        with open(_FILE, "a", encoding="utf-8") as file:  # noqa: PTH123  no further import at start
            file.write(f"{event} {host} {' '.join(sys.orig_argv)[:300]}\n")


if _FILE:
    sys.addaudithook(_audit)
