from uuid import uuid4

import pytest

from common.errors import UsageError
from common.store.tables import JobState
from desk.steering.matching import MOST_JOBS, matching, steer
from tests.desk.museum import Museum

EVERY = tuple(JobState)


@pytest.fixture
def jobs(museum: Museum):
    """A job in each state."""
    model = museum.model()
    found = {}
    for state in JobState:
        found[state] = museum.job(model, ["/1/a"])
        finished = "now()" if state.is_over else "NULL"
        museum.execute(
            f"UPDATE job SET state = :state, finished_at = {finished} WHERE id = :id",
            state=state,
            id=found[state],
        )
    return found


def states(museum):
    return sorted(state for (state,) in museum.rows("SELECT state FROM job"))


def test_an_action_is_done_to_all_for_which_it_means_anything(museum, jobs):
    assert matching(museum.engine, EVERY, "pause") == [jobs["running"]]
    assert matching(museum.engine, EVERY, "resume") == [jobs["paused"]]
    assert set(matching(museum.engine, EVERY, "cancel")) == {jobs["running"], jobs["paused"]}
    assert matching(museum.engine, [JobState.DONE], "cancel") == []
    assert matching(museum.engine, [JobState.DONE], "retry") == [jobs["done"]]
    museum.execute("UPDATE job SET pruned_at = now() WHERE state = 'done'")
    assert matching(museum.engine, [JobState.DONE], "retry") == []


def test_one_job_that_refuses_does_not_stop_the_others(museum, jobs):
    done = steer(museum.engine, [jobs["done"], uuid4(), jobs["running"]], "cancel")
    assert done.done == 1
    assert len(done.refused) == 2
    assert "is done" in done.refused[0]
    assert states(museum) == ["cancelled", "cancelled", "done", "paused"]


def test_too_many_jobs_are_refused(museum):
    with pytest.raises(UsageError, match="are allowed"):
        steer(museum.engine, [uuid4()] * (MOST_JOBS + 1), "pause")
