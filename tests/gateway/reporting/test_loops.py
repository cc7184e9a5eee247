import asyncio
import errno

from gateway.reporting.loops import BackgroundLoops
from gateway.reporting.problems import ProblemBoard
from healing.incident import Cause


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  the loop under test sets no event
            await asyncio.sleep(0.01)


async def test_a_step_that_fails_is_run_again_counted_and_a_problem_until_it_goes_well():
    problems = ProblemBoard()
    loops, broken = BackgroundLoops(problems), True

    async def step():
        if broken:
            raise OSError(errno.EMFILE, "Too many open files")

    loops.start("memory-watch", step, 0.01, "workers may grow without limit")
    (state,) = loops.states
    await until(lambda: state.failures >= 2)
    assert problems.has(Cause.UNKNOWN, "memory-watch")
    assert "Too many open files" in problems.current()[0].message
    broken = False
    await until(lambda: state.runs >= 3)
    assert (state.error, problems.current()) == ("", [])
    await loops.stop()


async def test_tolerated_failures_in_a_row_are_no_problem():
    """A certificate and its key are replaced one after the other: that moment opened an incident."""
    problems, outcomes = ProblemBoard(), iter([1, 1, 0, 1, 1, 0, *[1] * 1000])
    loops, seen = BackgroundLoops(problems), []

    async def step():
        seen.append(problems.has(Cause.UNKNOWN, "tls"))
        if next(outcomes):
            raise OSError("the key is not that of the certificate")

    loops.start("tls", step, 0.0, "the certificate of before stays in use", tolerated=2)
    await until(lambda: len(seen) > 9)
    assert seen[:10] == [False] * 9 + [True]
    await loops.stop()


async def test_a_stopped_loop_runs_no_more():
    loops = BackgroundLoops(ProblemBoard())

    async def step():
        await asyncio.sleep(0)

    loops.start("quick", step, 0.0, "nothing")
    (state,) = loops.states
    await until(lambda: state.runs >= 3)
    await loops.stop()
    runs = state.runs
    await asyncio.sleep(0.05)
    assert state.runs == runs
