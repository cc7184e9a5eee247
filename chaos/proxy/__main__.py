"""`python -m chaos.proxy`: run the fault proxy's HTTP API on a loopback port until it is stopped."""

import argparse
from pathlib import Path

import uvicorn

from chaos.proxy.api import ProxyApi, read_links


def main() -> None:
    """Serve the API; port 8474 is Toxiproxy's."""
    parser = argparse.ArgumentParser(prog="python -m chaos.proxy", description="TCP fault proxy with Toxiproxy's API")
    parser.add_argument("--host", default="127.0.0.1", help="address of the API (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8474, help="port of the API (default: %(default)s)")
    parser.add_argument("--config", type=Path, help="JSON file with a list of proxies to create at the start")
    arguments = parser.parse_args()
    links = read_links(arguments.config) if arguments.config else []
    uvicorn.run(ProxyApi(links).application(), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
