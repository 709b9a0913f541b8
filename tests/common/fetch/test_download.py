import itertools
import threading
import time
from collections import Counter
from contextlib import closing as closing_generator
from dataclasses import replace

import pytest
import structlog

from common.errors import RecordError
from common.fetch import download
from common.fetch.download import UnreadBytes, fetch_all
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from tests.common.fetch.servers import JPEG, Counting, answering, response, serving

FAST = HostLimits(max_concurrent=8, requests_per_second=10_000.0)


def fetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]


def run(items, fetcher, limits=FAST, **options):
    limiter = options.pop("limiter", None) or LocalHostLimiter(limits)
    outcomes = list(fetch_all(items, fetcher=fetcher, limiter=limiter, threads=16, **options))
    assert fetch_threads() == []
    return outcomes


def is_error(outcome) -> bool:
    return isinstance(outcome.result, RecordError)


def test_every_item_has_one_outcome(serve, fetcher):
    def answer(request, connection) -> None:
        missing = request.target.endswith("7.jpg")
        connection.sendall(response(status="404 No") if missing else response(JPEG))

    server = serve(answer)
    items = [(number, server.url(f"/{number}.jpg")) for number in range(200)]
    outcomes = run([*items, ("bad", "ftp://a.org/x")], fetcher, window=50)
    assert Counter(outcome.key for outcome in outcomes) == Counter([*range(200), "bad"])
    reasons = Counter(outcome.result.reason for outcome in outcomes if is_error(outcome))
    assert reasons == {"not_found": 20, "unsupported_scheme": 1}


def test_nothing_to_do_is_done_at_once(fetcher):
    assert run([], fetcher) == []


def test_items_are_read_no_further_ahead_than_the_window(serve, fetcher):
    server = serve(answering(response(JPEG)))
    read = itertools.count()
    items = ((next(read), server.url()) for _ in itertools.repeat(None))  # endless
    limiter = LocalHostLimiter(FAST)
    with closing_generator(
        fetch_all(items, fetcher=fetcher, limiter=limiter, threads=4, window=20)
    ) as outcomes:
        for _ in range(100):
            next(outcomes)
    assert 100 < next(read) <= 121


def test_who_wants_a_handful_gets_what_has_come_and_never_waits_for_more(serve, fetcher):
    go_on = threading.Event()

    def answer(request, connection) -> None:
        if request.target.endswith("late.jpg"):
            go_on.wait(30)
        connection.sendall(response(JPEG))

    server = serve(answer)
    items = [(number, server.url(f"/{number}.jpg")) for number in range(40)]
    handfuls: list[list[object]] = []
    taken: list[object] = []

    def arrived(outcomes) -> None:
        assert [key for told in handfuls for key in told] == taken  # all of them were handed out
        handfuls.append([outcome.key for outcome in outcomes])

    found = fetch_all(
        [*items, ("late", server.url("/late.jpg"))],
        fetcher=fetcher,
        limiter=LocalHostLimiter(FAST),
        threads=4,
        arrived=arrived,
    )
    with closing_generator(found) as outcomes:
        for outcome in itertools.islice(outcomes, 40):
            taken.append(outcome.key)
            time.sleep(0.01)
        go_on.set()
        taken += [outcome.key for outcome in outcomes]
    assert sorted(map(str, taken)) == sorted(map(str, [*range(40), "late"]))
    assert 1 < max(map(len, handfuls)) <= download.HANDFUL
    assert handfuls[-1] == ["late"]


def test_pictures_that_nobody_takes_hold_up_new_requests(serve, fetcher, monkeypatch):
    monkeypatch.setattr(download, "LEAST_BYTES", 1)
    server = serve(answering(response(JPEG)))
    items = [(number, server.url()) for number in range(60)]
    outcomes = fetch_all(
        items,
        fetcher=fetcher,
        limiter=LocalHostLimiter(FAST),
        threads=4,
        unread=UnreadBytes(3 * len(JPEG)),
    )
    next(outcomes)
    time.sleep(0.3)
    assert len(server.requests) <= 8  # three waiting, four under way when the third came
    assert len(list(outcomes)) == 59


def test_downloads_share_the_bytes_that_may_lie_unread_and_all_go_on(serve, fetcher, monkeypatch):
    monkeypatch.setattr(download, "LEAST_BYTES", 1)
    greedy, modest = serve(answering(response(JPEG))), serve(answering(response(JPEG)))
    unread = UnreadBytes(len(JPEG))
    options = {"fetcher": fetcher, "limiter": LocalHostLimiter(FAST), "threads": 1}
    first = fetch_all([(n, greedy.url()) for n in range(9)], unread=unread, **options)
    next(first)
    time.sleep(0.2)
    second = fetch_all([(n, modest.url()) for n in range(9)], unread=unread, **options)
    assert next(second)
    time.sleep(0.2)
    assert len(modest.requests) == 1  # what the caller looks at still counts
    assert len(list(second)) == 8
    first.close()
    assert not unread.is_full


def test_when_the_wait_is_over_it_ends_without_the_slow_ones(serve, fetcher):
    server = serve(answering(response(JPEG)))
    silent = serve(lambda request, connection: time.sleep(60))
    items = [("silent", silent.url()), *((number, server.url()) for number in range(30))]
    began = time.monotonic()
    outcomes = run(items, fetcher, next_wait=lambda missing: 0.5 if missing < 2 else 30.0)
    assert {outcome.key for outcome in outcomes} == set(range(30))
    assert time.monotonic() - began < 5


def test_closing_gives_the_turns_of_hosts_back(serve, fetcher):
    server = serve(answering(response(JPEG)))
    silent = serve(lambda request, connection: time.sleep(60))
    items = [(number, silent.url(host="silent.example")) for number in range(8)]
    limiter = LocalHostLimiter(FAST)
    outcomes = fetch_all(
        [*items, ("quick", server.url())], fetcher=fetcher, limiter=limiter, threads=16
    )
    assert next(outcomes).key == "quick"
    host = f"silent.example:{silent.port}"
    deadline = time.monotonic() + 5
    while limiter.standing(host).running < 8:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    outcomes.close()
    assert limiter.standing(host).running == 0


def test_a_slow_and_a_dead_host_hold_up_nobody(serve, fetcher):
    server = serve(answering(response(JPEG)))
    slow = serve(lambda request, connection: time.sleep(0.8) or connection.sendall(response(JPEG)))
    silent = serve(lambda request, connection: time.sleep(60))
    items = [("slow", slow.url()), ("silent", silent.url())] * 5
    items += [("quick", server.url(host=f"{number % 20}.example")) for number in range(200)]
    limits = replace(FAST, max_concurrent=2, failures_to_open=2)
    outcomes = run(items, fetcher, limits)
    keys = [outcome.key for outcome in outcomes]
    assert keys[:190] == ["quick"] * 190
    assert Counter(keys) == {"quick": 200, "slow": 5, "silent": 5}
    assert not any(is_error(outcome) for outcome in outcomes if outcome.key != "silent")
    reasons = Counter(outcome.result.reason for outcome in outcomes if is_error(outcome))
    assert reasons == {"timeout": 2, "host_unavailable": 3}


def test_no_host_sees_more_than_its_limits(serve, fetcher):
    lock = threading.Lock()
    running, most, moments = 0, 0, []

    def answer(request, connection) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            moments.append(time.monotonic())
        time.sleep(0.05)
        with lock:
            running -= 1
        connection.sendall(response(JPEG))

    server = serve(answer)
    limits = HostLimits(max_concurrent=3, requests_per_second=40.0)
    run([(number, server.url()) for number in range(40)], fetcher, limits)
    assert most <= 3
    assert moments[-1] - moments[0] >= 39 / 40 - 0.1


def test_sixty_names_of_one_address_see_no_more_than_the_limits_of_the_address(serve, fetcher):
    host = Counting()
    server = serve(host)
    items = [(n, server.url(host=f"{n % 60}.wildcard.example")) for n in range(120)]
    limits = HostLimits(max_concurrent=2, requests_per_second=10.0)
    outcomes = run(items, fetcher, limits)
    assert not any(map(is_error, outcomes))
    assert host.most <= 4 * 2
    moments = sorted(moment for moment, _ in host.asked)
    assert len(moments) == 120
    spans = zip(moments, moments[40:], strict=False)
    assert all(later - sooner > 0.9 for sooner, later in spans), "more than 40 a second"
    assert moments[-1] - moments[0] < 2 * 120 / 40, "the address had turns left"


def test_an_address_without_a_free_turn_holds_up_no_other(serve, make_fetcher):
    fetcher = make_fetcher(lookup=lambda host: ["127.0.0.1"])
    crowded = serve(lambda request, connection: time.sleep(60))
    limits = replace(FAST, max_concurrent=1)
    items = [(n, crowded.url(host=f"{n}.wildcard.example")) for n in range(60)]
    with serving(answering(response(JPEG)), address="127.0.0.2") as ordinary:
        items += [("ordinary", ordinary.url(host="127.0.0.2"))] * 20
        outcomes = run(items, fetcher, limits, next_wait=lambda missing: 5 if missing > 60 else 0)
    assert [outcome.key for outcome in outcomes] == ["ordinary"] * 20
    assert len(crowded.requests) == 4


class Noting(LocalHostLimiter):
    """Counts the turns at each address."""

    def __init__(self, limits: HostLimits) -> None:
        super().__init__(limits)
        self.started: Counter[str] = Counter()

    def try_start(self, host, address=None, *, shares=None) -> float:
        wait = super().try_start(host, address, shares=shares)
        self.started[str(address)] += wait == 0
        return wait


def test_the_next_address_waits_for_a_turn_of_its_own(serve, make_fetcher):
    server = serve(answering(response(JPEG)))
    fetcher = make_fetcher(lookup=lambda host: ["127.0.0.9", "127.0.0.1"])
    limiter = Noting(replace(FAST, max_concurrent=2))
    items = [(n, server.url(host="two.example")) for n in range(5)]
    outcomes = run(items, fetcher, limiter=limiter)
    assert not any(map(is_error, outcomes))
    assert limiter.started["127.0.0.1"] == 5
    assert 1 <= limiter.started["127.0.0.9"] <= 2, "all know by then that nobody is there"
    assert limiter.standing(f"two.example:{server.port}").running == 0


def test_a_name_that_does_not_resolve_fails_as_it_does_alone(make_fetcher):
    looked_up = []
    fetcher = make_fetcher(lookup=lambda host: looked_up.append(host) or [])
    items = [(n, f"http://no.example/{n}.jpg") for n in range(30)]
    outcomes = run(items, fetcher, replace(FAST, max_concurrent=1, failures_to_open=3))
    reasons = Counter(outcome.result.reason for outcome in outcomes)
    assert reasons == {"dns": 3, "host_unavailable": 27}
    assert len(looked_up) <= 3


def test_redirects_wait_for_the_turn_of_the_host_they_lead_to(serve, fetcher):
    museum = serve(answering(response(JPEG)))
    resolver = serve(
        lambda request, connection: connection.sendall(
            response(status="302 Found", location=museum.url(host="museum.example"))
        )
    )
    key = f"museum.example:{museum.port}"
    slow = HostLimits(max_concurrent=1, requests_per_second=10.0)
    began = time.monotonic()
    limiter = LocalHostLimiter(FAST, exceptions={key: slow})
    outcomes = run([(n, resolver.url()) for n in range(6)], fetcher, limiter=limiter)
    assert not any(map(is_error, outcomes))
    assert time.monotonic() - began >= 0.5


def test_a_host_that_complains_is_asked_more_slowly_and_the_rest_comes_later(serve, fetcher):
    busy = response(status="429 Slow down", retry_after="3600")
    server = serve(answering(busy))
    limits = replace(FAST, max_concurrent=1)
    outcomes = run([(number, server.url()) for number in range(30)], fetcher, limits)
    reasons = Counter(outcome.result.reason for outcome in outcomes)
    assert reasons == {"rate_limited": 1, "host_unavailable": 29}
    assert all(outcome.result.retry_after > 3500 for outcome in outcomes)
    assert len(server.requests) == 1


def test_closing_early_stops_what_is_under_way_and_leaves_no_thread(serve, fetcher):
    server = serve(answering(response(JPEG)))
    silent = serve(lambda request, connection: time.sleep(60))
    items = [(number, silent.url()) for number in range(20)] + [("quick", server.url())]
    outcomes = fetch_all(items, fetcher=fetcher, limiter=LocalHostLimiter(FAST), threads=16)
    assert next(outcomes).key == "quick"
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 1.5
    assert fetch_threads() == []


def test_a_caller_that_fails_leaves_no_thread(serve, fetcher):
    server = serve(answering(response(JPEG)))
    items = [(number, server.url()) for number in range(100)]
    outcomes = fetch_all(items, fetcher=fetcher, limiter=LocalHostLimiter(FAST), threads=16)
    next(outcomes)
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt)
    assert fetch_threads() == []


def test_an_error_in_the_items_reaches_the_caller(serve, fetcher):
    def items():
        yield 1, serve(answering(response(JPEG))).url()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(items(), fetcher)
    assert fetch_threads() == []


def test_a_limiter_that_fails_ends_the_download_with_its_error(serve, fetcher):
    class Broken(LocalHostLimiter):
        def try_start(self, host, address=None, *, shares=None) -> float:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run([(1, serve(answering(response(JPEG))).url())], fetcher, limiter=Broken())
    assert fetch_threads() == []


def test_the_log_of_its_threads_names_what_the_callers_log_names(serve, fetcher, monkeypatch):
    told = []
    step = fetcher.step

    def telling(request, cancelled):
        told.append(structlog.contextvars.get_contextvars())
        return step(request, cancelled)

    monkeypatch.setattr(fetcher, "step", telling)
    server = serve(answering(response(JPEG)))
    with structlog.contextvars.bound_contextvars(job="a", chunk=7):
        run([(number, server.url(f"/{number}.jpg")) for number in range(3)], fetcher)
    assert told == [{"job": "a", "chunk": 7}] * 3
