"""Garbage collection that stops nobody: what the imports left is set aside, the rest is looked through rarely."""

import gc


def collect_rarely() -> None:
    """Call once a process has what it keeps. A full collection would walk it all, and nobody is
    answered meanwhile.

    What requests leave behind dies by its reference counts; cycles are rare, and still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
