import pytest

from chaos.agents.agent import Agent, keep_active
from tests.chaos.waiting import wait_for


def locking(folder, seconds_max):
    """An agent that locks an empty database."""
    return Agent(
        module="lock_database",
        arguments=(str(folder / "database"),),
        keep_file=folder / "leases" / "lock.keep",
        seconds_max=seconds_max,
    )


@pytest.fixture
def agent(tmp_path):
    made = locking(tmp_path, seconds_max=60)
    yield made
    made.end()


def test_an_agent_runs_until_its_end_which_may_be_called_again(agent):
    assert agent.find() is None
    agent.start()
    assert agent.find() is not None
    agent.end()
    assert agent.find() is None
    agent.end()
    assert not agent.keep_file.exists()


def test_an_agent_whose_keep_file_is_removed_by_another_process_ends(agent):
    agent.start()
    agent.keep_file.unlink()
    wait_for(lambda: agent.find() is None, "the agent has ended")


def test_an_agent_ends_by_itself_when_its_time_is_over(tmp_path):
    short = locking(tmp_path, seconds_max=0.1)
    short.start()
    wait_for(lambda: short.find() is None, "the agent has ended")


def test_steps_are_repeated_while_the_keep_file_exists(tmp_path):
    keep, steps = tmp_path / "keep", []
    keep.touch()

    def step():
        steps.append(1)
        if len(steps) == 3:
            keep.unlink()

    keep_active([str(keep), "60"], step, poll_seconds=0)
    assert len(steps) == 3
