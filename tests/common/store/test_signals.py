"""Advisory locks: each guards one thing, and all are in one module."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from common.store.signals import AdvisoryLock

ROOT = Path(__file__).resolve().parents[3]
MODULE = Path("common/store/signals.py")
FOLDERS = (
    "benchmarks",
    "common",
    "deploy",
    "desk",
    "enrichment",
    "harvester",
    "migrations",
    "trainer",
    "worker",
)


def test_a_number_is_that_of_one_lock() -> None:
    """An enum takes a second name of a number for the same member."""
    assert [each.name for each in AdvisoryLock] == list(AdvisoryLock.__members__)


def test_no_other_module_takes_a_lock_by_its_number() -> None:
    modules = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    takers = {path.relative_to(ROOT) for path in modules if "advisory_" in path.read_text()}
    assert takers == {MODULE}


@pytest.mark.parametrize("lock", AdvisoryLock)
def test_one_is_alone_with_a_lock_and_several_share_it(engine: Engine, lock: AdvisoryLock) -> None:
    with engine.connect() as holder, engine.connect() as other:
        other.execute(text("SET lock_timeout = 50"))
        holder.execute(text(lock.share))
        other.execute(text(lock.share))
        other.commit()
        with pytest.raises(OperationalError, match="lock timeout"):
            other.execute(text(lock.take))


def test_a_lock_with_a_second_number_is_one_for_each(engine: Engine) -> None:
    with engine.connect() as holder, engine.connect() as other:
        other.execute(text("SET lock_timeout = 50"))
        holder.execute(text(AdvisoryLock.VERDICTS.take_for("1")))
        other.execute(text(AdvisoryLock.VERDICTS.take_for("2")))
        with pytest.raises(OperationalError, match="lock timeout"):
            other.execute(text(AdvisoryLock.VERDICTS.take_for("1")))
