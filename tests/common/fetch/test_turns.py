import time
from ipaddress import ip_address

from common.fetch import turns
from common.fetch.host_limits import HostLimits, HostSignal, LocalHostLimiter
from common.fetch.turns import AddressLookUp, PoliteQueue
from common.reasons import Reason

LIMITS = HostLimits(max_concurrent=2, requests_per_second=10_000.0, failures_to_open=1)


HERE, THERE = ip_address("203.0.113.7"), ip_address("203.0.113.8")


def take(queue, *addresses):
    """The next turn; hosts that are looked up have these addresses."""
    while isinstance(turn := queue.take(), AddressLookUp):
        queue.found(turn.host, addresses or [HERE])
    return turn


def take_all(queue) -> list[str]:
    """What is taken of hosts a, b and c, each at an address of its own."""
    taken = []
    while (wait := queue.seconds_until_due()) is not None and len(taken) < 100:
        while isinstance(turn := queue.take(), AddressLookUp):
            queue.found(turn.host, [ip_address(f"203.0.113.{ord(turn.host)}")])
        if turn is None and wait > 0.01:
            break
        if turn is not None:
            taken.append(turn.item)
            queue.give_back(turn, HostSignal.WELL)
    return taken


def test_hosts_take_turns_whatever_the_order_in_which_requests_came():
    queue = PoliteQueue(LocalHostLimiter(LIMITS))
    for host in "abc":
        for number in range(3):
            queue.put(host, f"{host}{number}")
    taken = take_all(queue)
    assert sorted(taken) == sorted(f"{host}{number}" for host in "abc" for number in range(3))
    assert sorted(item[0] for item in taken[:3]) == ["a", "b", "c"]
    assert [item for item in taken if item[0] == "a"] == ["a0", "a1", "a2"]


def test_a_host_with_all_its_turns_taken_does_not_hold_up_others():
    queue = PoliteQueue(LocalHostLimiter(HostLimits(max_concurrent=1, requests_per_second=1.0)))
    for item in ("slow1", "slow2", "slow3"):
        queue.put("slow", item)
    assert take(queue).item == "slow1"
    assert take(queue) is None
    queue.put("quick", "quick1")
    assert take(queue, THERE).item == "quick1"


def test_requests_of_an_unavailable_host_come_out_refused():
    limiter = LocalHostLimiter(LIMITS)
    assert limiter.try_start("dead") == 0
    limiter.finish("dead", HostSignal.FAILURE)
    queue = PoliteQueue(limiter)
    queue.put("dead", "x")
    queue.put("dead", "y")
    refusals = [take(queue), take(queue)]
    assert [(turn.item, turn.refused.reason) for turn in refusals] == [
        ("x", "host_unavailable"),
        ("y", "host_unavailable"),
    ]
    assert queue.seconds_until_due() is None or take(queue) is None


def test_an_item_put_first_comes_first():
    queue = PoliteQueue(LocalHostLimiter(LIMITS))
    queue.put("a", "later")
    queue.put("a", "now", first=True)
    assert take(queue).item == "now"


def test_a_host_is_looked_up_once_and_its_requests_wait_for_that_without_holding_up_others():
    queue = PoliteQueue(LocalHostLimiter(LIMITS))
    for item in ("a1", "a2", "b1"):
        queue.put(item[0], item)
    look_ups = [queue.take(), queue.take()]
    assert [(look_up.host, look_up.item) for look_up in look_ups] == [("a", "a1"), ("b", "b1")]
    assert queue.take() is None
    queue.found("b", [HERE])
    assert queue.take().item == "b1"
    queue.found("a", [HERE, THERE])
    time.sleep(0.001)
    turn = queue.take()
    assert (turn.item, turn.addresses) == ("a1", (HERE, THERE))
    time.sleep(0.001)
    assert queue.take().item == "a2"


def test_a_request_takes_the_first_address_with_a_free_turn():
    limits = HostLimits(max_concurrent=9, requests_per_second=10_000.0)
    limiter = LocalHostLimiter(limits, per_address=1)
    queue = PoliteQueue(limiter)
    for number in range(10):
        assert limiter.try_start(f"{number}.org", HERE) in (0, 0.1)
        time.sleep(0.001)
    queue.put("a", "a1")
    queue.put("a", "a2")
    assert take(queue, HERE, THERE).addresses == (THERE, HERE)
    limiter.finish("0.org", HostSignal.WELL, address=HERE)
    time.sleep(0.001)
    assert take(queue).addresses == (HERE, THERE)


def test_hosts_that_share_an_address_wait_for_one_another_and_nobody_else_does():
    limits = HostLimits(max_concurrent=1, requests_per_second=1000.0)
    queue = PoliteQueue(LocalHostLimiter(limits, per_address=2))
    for host in "abcd":
        queue.put(host, host)
    taken = [take(queue)]
    time.sleep(0.002)
    taken.append(take(queue))
    time.sleep(0.002)
    assert take(queue) is None
    queue.put("elsewhere", "elsewhere")
    assert take(queue, THERE).item == "elsewhere"
    queue.give_back(taken[0], HostSignal.FAILURE)
    time.sleep(0.11)
    assert take(queue) is not None
    assert take(queue) is None


def test_a_name_that_is_not_found_fails_the_requests_of_a_moment(monkeypatch):
    monkeypatch.setattr(turns, "NOT_FOUND_SECONDS", 0.05)
    queue = PoliteQueue(LocalHostLimiter(HostLimits(requests_per_second=10_000.0)))
    for item in ("a1", "a2", "a3"):
        queue.put("a", item)
    assert isinstance(queue.take(), AddressLookUp)
    queue.not_found("a", Reason.DNS.error(""))
    turn = queue.take()
    assert (turn.item, turn.not_found.reason, turn.addresses) == ("a1", "dns", ())
    queue.give_back(turn, HostSignal.FAILURE)
    time.sleep(0.06)
    assert isinstance(queue.take(), AddressLookUp)


def test_addresses_are_looked_up_again_after_a_while(monkeypatch):
    monkeypatch.setattr(turns, "FOUND_SECONDS", 0.05)
    queue = PoliteQueue(LocalHostLimiter(LIMITS))
    for item in ("a1", "a2"):
        queue.put("a", item)
    assert take(queue).addresses == (HERE,)
    time.sleep(0.06)
    assert isinstance(queue.take(), AddressLookUp)
