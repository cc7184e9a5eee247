"""`python -m chaos.proxy`: run the fault proxy's HTTP API on a loopback port until it is stopped."""

import argparse

import uvicorn

from chaos.proxy.api import ProxyApi


def main() -> None:
    """Serve the API; port 8474 is Toxiproxy's."""
    parser = argparse.ArgumentParser(prog="python -m chaos.proxy", description="TCP fault proxy with Toxiproxy's API")
    parser.add_argument("--host", default="127.0.0.1", help="address of the API (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8474, help="port of the API (default: %(default)s)")
    arguments = parser.parse_args()
    uvicorn.run(ProxyApi().application(), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
