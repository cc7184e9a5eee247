"""How many threads the numeric libraries of this process use for a while.

The order of a sum is the order in which threads finish, so a fit has the same last bits only with the same number of
them. And on a busy machine two threads that wait for each other make a prediction ten times slower than one.
"""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Limit OpenMP and BLAS of the whole process; what was before comes back afterwards."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield
