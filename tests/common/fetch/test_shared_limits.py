import os
import subprocess
import sys
import time
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.errors import TransientRecordError
from common.fetch import shared_limits
from common.fetch.host_limits import HostLimits, HostSignal, LocalHostLimiter
from common.fetch.shared_limits import SharedHostLimiter
from common.store.session import open_store
from tests.common.fetch.servers import Counting

REPOSITORY = Path(__file__).parents[3]
FAST = HostLimits(max_concurrent=4, requests_per_second=1000.0)
HOST = "x.org"


@pytest.fixture
def engine(database_url: str):
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture
def limiter(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    """Makes limiters that renew often, as different processes would have them."""
    monkeypatch.setattr(shared_limits, "RENEWAL_SECONDS", 0.1)
    with ExitStack() as limiters:
        yield lambda limits=FAST: limiters.enter_context(
            SharedHostLimiter(engine, LocalHostLimiter(limits))
        )


def within(seconds: float, happens) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.02)
    return False


def starts(limiter: SharedHostLimiter, seconds: float = 3.0) -> bool:
    return within(seconds, lambda: limiter.try_start(HOST) == 0)


def test_an_address_is_divided_as_a_host_is(limiter, engine):
    first, second = limiter(HostLimits(2, 1000.0)), limiter(HostLimits(2, 1000.0))
    address = ip_address("203.0.113.7")
    started = [0, 0]
    for number in range(24):
        for each, limiter_ in enumerate((first, second)):
            name = f"{number % 12}.org"
            started[each] += within(
                0.1, lambda at=limiter_, to=name: at.try_start(to, address) == 0
            )
    assert sum(started) == 8
    assert min(started) > 0
    assert leased(engine)[-1] < 8
    first.finish("0.org", HostSignal.WELL, address=address)


def leased(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT slots FROM host_lease ORDER BY slots")))


def insert_lease(engine: Engine, **values: object) -> None:
    """Of another process, which does not renew it."""
    row = {"slots": 4, "pace": 1.0, "pause": 0, "seconds": 60} | values
    with engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO host_lease VALUES ('{HOST}', 'other', :slots, :pace,"
                " now() + make_interval(secs => :pause), now() + make_interval(secs => :seconds))"
            ),
            row,
        )


def test_a_process_alone_has_all_of_a_host(limiter, engine):
    alone = limiter()
    assert all(starts(alone) for _ in range(FAST.max_concurrent))
    assert leased(engine) == [4]
    assert not starts(alone, seconds=0.3)


def test_a_host_that_two_processes_ask_is_divided(limiter, engine):
    first, second = limiter(), limiter()
    assert starts(first)
    first.finish(HOST, HostSignal.WELL)
    assert within(3.0, lambda: second.try_start(HOST) == 0 and leased(engine) == [2, 2])


def test_a_slot_is_given_up_only_when_its_request_has_ended(limiter, engine):
    first, second = limiter(), limiter()
    assert all(starts(first) for _ in range(4))
    assert not starts(second, seconds=0.6)
    assert leased(engine) == [0, 4]
    first.finish(HOST, HostSignal.WELL)
    assert starts(second)
    assert sum(leased(engine)) == 4


def test_slots_go_round_where_there_are_fewer_than_processes(limiter, engine, monkeypatch):
    monkeypatch.setattr(shared_limits, "TURN_SECONDS", 0.5)
    alone = HostLimits(max_concurrent=1, requests_per_second=1000.0)
    first, second = limiter(alone), limiter(alone)
    for limiter_ in (first, second, first, second):
        assert starts(limiter_, seconds=5.0)
        assert sum(leased(engine)) == 1
        limiter_.finish(HOST, HostSignal.WELL)


def test_the_slots_of_a_killed_process_come_back(limiter, engine):
    insert_lease(engine, seconds=1.0)
    began = time.monotonic()
    survivor = limiter()
    assert starts(survivor, seconds=5.0)
    assert time.monotonic() - began > 0.7
    assert leased(engine) == [4]


def test_slots_that_nobody_uses_go_back_and_so_do_all_at_the_end(limiter, engine, monkeypatch):
    monkeypatch.setattr(shared_limits, "INTEREST_SECONDS", 0.3)
    quiet = limiter()
    assert starts(quiet)
    assert not within(0.8, lambda: leased(engine) == [])  # its request has no answer yet
    quiet.finish(HOST, HostSignal.WELL)
    assert within(2.0, lambda: leased(engine) == [])
    assert starts(quiet)
    quiet.close()
    assert leased(engine) == []


def test_a_complaint_to_one_process_is_heeded_by_all(limiter):
    first, second = limiter(), limiter()
    assert starts(first)
    assert starts(second)
    first.finish(HOST, HostSignal.COMPLAINT, 600.0)
    assert within(3.0, lambda: refusal(second) == "the host asked us to wait")


def refusal(limiter: SharedHostLimiter) -> str:
    try:
        limiter.try_start(HOST)
    except TransientRecordError as error:
        return error.detail
    return ""


def test_a_host_that_slowed_one_process_is_slower_for_all(limiter, engine):
    insert_lease(engine, slots=2, pace=0.25)
    slowed = limiter(HostLimits(max_concurrent=4, requests_per_second=8.0))
    assert starts(slowed)
    assert slowed.try_start(HOST) > 0
    slowed.finish(HOST, HostSignal.WELL)
    assert 0.8 < slowed.try_start(HOST) <= 1.0  # a quarter of the half of eight a second


def test_a_process_that_does_not_reach_the_store_keeps_its_share(limiter, engine, services):
    cut_off = limiter()
    assert starts(cut_off)
    services.postgres.kill()
    assert within(3.0, lambda: cut_off.try_start("new.org") == 0)
    assert (
        cut_off.try_start("new.org") > 0
    )  # of a host that is new one slot, to be on the safe side
    assert all(starts(cut_off) for _ in range(3))
    services.postgres.start()
    assert within(10.0, lambda: leased(engine) == [4, 4])


PROCESS = """
import sys
from common.fetch import shared_limits
from common.fetch.addresses import AddressPolicy, NameResolver
from common.fetch.download import fetch_all
from common.fetch.client import Fetched, PictureFetcher
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from common.fetch.shared_limits import SharedHostLimiter
from common.store.session import open_store

name, url, names = sys.argv[1:]
shared_limits.RENEWAL_SECONDS = 0.3
limits = HostLimits(max_concurrent=2, requests_per_second=40.0)
policy = AddressPolicy.parse("127.0.0.0/8")
resolver = NameResolver(lambda host: ["127.0.0.1"])
with (
    PictureFetcher(user_agent=name, policy=policy, resolver=resolver) as fetcher,
    SharedHostLimiter(open_store(), LocalHostLimiter(limits)) as limiter,
):
    items = [(number, url.format(number % int(names))) for number in range(60)]
    outcomes = fetch_all(items, fetcher=fetcher, limiter=limiter)
    assert all(isinstance(outcome.result, Fetched) for outcome in outcomes)
"""


def run_two_processes(url: str, *, names: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, name, url, str(names)], env=environment)
        for name in ("first", "second")
    ]
    assert [process.wait(60) for process in processes] == [0, 0]


def test_two_processes_together_keep_to_the_limits_of_a_host(database_url, serve):
    host = Counting()
    run_two_processes(serve(host).url(), names=1)
    moments = [moment for moment, _ in host.asked]
    assert len(moments) == 120
    assert host.most == 2
    assert all(later - sooner > 0.8 for sooner, later in zip(moments, moments[40:], strict=False))
    assert {name for _, name in host.asked[45:75]} == {"first", "second"}


def test_two_processes_together_keep_to_the_limits_of_an_address(database_url, serve):
    host = Counting(seconds=0.2)
    run_two_processes(serve(host).url(host="{}.wildcard.example"), names=60)
    assert len(host.asked) == 120
    assert host.most <= 4 * 2
    assert {name for _, name in host.asked[45:75]} == {"first", "second"}
