"""What a request costs the router: the processor time of its thread, over the requests that it served."""

import time

_REQUESTS = 256  # between two looks


class RouterCost:
    """`note` what versions answered; `seconds` is what each took the router lately, 0 until something is known."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._requests = 0
        self._seen = time.thread_time()

    def note(self, requests: int) -> None:
        """Call it on the router's thread."""
        self._requests += requests
        if self._requests >= _REQUESTS:
            now = time.thread_time()
            self.seconds = (now - self._seen) / self._requests
            self._seen, self._requests = now, 0
