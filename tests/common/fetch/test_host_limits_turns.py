from common.fetch.host_limits import HostLimits, HostSignal, LocalHostLimiter, PoliteQueue

LIMITS = HostLimits(max_concurrent=2, requests_per_second=10_000.0, failures_to_open=1)


def take_all(queue) -> list[str]:
    taken = []
    while (wait := queue.seconds_until_due()) is not None and len(taken) < 100:
        turn = queue.take()
        if turn is None and wait > 0.01:
            break
        if turn is not None:
            taken.append(turn.item)
            queue.give_back(turn.host, HostSignal.WELL)
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
    assert queue.take().item == "slow1"
    assert queue.take() is None
    queue.put("quick", "quick1")
    assert queue.take().item == "quick1"


def test_requests_of_an_unavailable_host_come_out_refused():
    limiter = LocalHostLimiter(LIMITS)
    assert limiter.try_start("dead") == 0
    limiter.finish("dead", HostSignal.FAILURE)
    queue = PoliteQueue(limiter)
    queue.put("dead", "x")
    queue.put("dead", "y")
    refusals = [queue.take(), queue.take()]
    assert [(turn.item, turn.refused.reason) for turn in refusals] == [
        ("x", "host_unavailable"),
        ("y", "host_unavailable"),
    ]
    assert queue.seconds_until_due() is None or queue.take() is None


def test_an_item_put_first_comes_first():
    queue = PoliteQueue(LocalHostLimiter(LIMITS))
    queue.put("a", "later")
    queue.put("a", "now", first=True)
    assert queue.take().item == "now"
