"""The flights feed, served for real from a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.flights.feed import Feed
from pipelines.flights.feed_state import FeedState


@contextmanager
def feed_serving(folder: Path, *, faulty: bool = False) -> Iterator[str]:
    """Address of a feed on `folder`, which a mirror may share."""
    with Feed(("127.0.0.1", 0), FeedState(folder), faulty=faulty) as feed:
        thread = threading.Thread(target=feed.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{feed.server_address[1]}"
        finally:
            feed.shutdown()
            thread.join()
