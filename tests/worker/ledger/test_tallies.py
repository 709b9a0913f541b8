"""What models said of a chunk, in short."""

from worker.ledger.tallies import RecordSaid, tallied, unlike_to_all


def said(
    data_provider: str = "Louvre", *, confidence: float = 0.5, is_unlike: bool = False
) -> RecordSaid:
    is_written = confidence > 0.8 and not is_unlike
    return RecordSaid(
        data_provider=data_provider,
        confidence=confidence,
        is_written=is_written,
        is_unlike=is_unlike,
    )


def test_a_record_is_unlike_if_every_model_says_so() -> None:
    first = {"/1/a": said(is_unlike=True), "/1/b": said(is_unlike=True), "/1/c": said()}
    second = {"/1/a": said(is_unlike=True), "/1/b": said(), "/1/c": said()}
    assert unlike_to_all({1: first}) == {"/1/a", "/1/b"}
    assert unlike_to_all({1: first, 2: second}) == {"/1/a"}
    assert unlike_to_all({}) == set()


def test_a_model_that_answers_for_other_records_has_no_say() -> None:
    first = {"/1/a": said(is_unlike=True), "/1/b": said()}
    assert unlike_to_all({1: first, 2: {"/1/c": said(is_unlike=True)}}) == {"/1/a", "/1/c"}


def test_what_each_model_said_is_counted_by_data_provider() -> None:
    first = {"/1/a": said(confidence=0.95), "/1/b": said("", is_unlike=True), "/1/c": said()}
    counted = tallied({1: first, 2: {}})
    assert counted.keys() == {1}
    counts = {provider: tally.counts for provider, tally in counted[1].items()}
    assert counts == {
        "Louvre": (2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1),
        "": (1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    }


def test_a_data_provider_is_counted_by_the_name_that_a_promise_has() -> None:
    odd = {"/1/a": said("Louvre"), "/1/b": said(" Lou\nvre"), "/1/c": said("Lou vre" + "x" * 999)}
    odd |= {"/1/d": said("Louvre\n"), "/1/e": said(" ")}
    pictures = {name: tally.pictures for name, tally in tallied({1: odd})[1].items()}
    assert pictures == {"Louvre": 2, "Lou vre": 1, "Lou vre" + "x" * 293: 1, "": 1}
