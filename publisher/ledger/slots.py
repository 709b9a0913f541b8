"""The rate that all publishers share: at most so many requests in any second, as Europeana counts.

A slot is a request. It is busy from before the request until a second after its answer. A request
arrives at the server between the two, so a slot's next request arrives more than a second later,
and no second has more requests than there are slots.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

_ADD = text("""
    INSERT INTO publisher_slot (number) SELECT generate_series(1, :rate) ON CONFLICT DO NOTHING
""")
_TAKE = text("""
    UPDATE publisher_slot
    SET free_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE number = (
        SELECT number FROM publisher_slot WHERE number <= :rate AND free_at <= clock_timestamp()
        ORDER BY free_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING number, free_at AS busy_until
""")
_FREE = text("""
    UPDATE publisher_slot SET free_at = clock_timestamp() + interval '1 second'
    WHERE number = :number AND free_at = :busy_until
""")
_UNUSED = text("""
    UPDATE publisher_slot SET free_at = clock_timestamp()
    WHERE number = :number AND free_at = :busy_until
""")
_WAIT = text("""
    SELECT CAST(extract(epoch FROM min(free_at) - clock_timestamp()) AS float8)
    FROM publisher_slot WHERE number <= :rate
""")


@dataclass(frozen=True, kw_only=True)
class Slot:
    number: int
    busy_until: datetime


def add_slots(engine: Engine, rate: int) -> None:
    with engine.begin() as connection:
        connection.execute(_ADD, {"rate": rate})


def take_slot(connection: Connection, *, rate: int, seconds: float) -> Slot | None:
    """A free slot, if there is one; if it is not given back, it is free after these seconds."""
    asked = {"rate": rate, "seconds": seconds}
    row = connection.execute(_TAKE, asked).mappings().one_or_none()
    return None if row is None else Slot(**row)


def free_slot(connection: Connection, slot: Slot) -> None:
    """Give a slot back after the answer."""
    connection.execute(_FREE, {"number": slot.number, "busy_until": slot.busy_until})


def leave_slot(connection: Connection, slot: Slot) -> None:
    """Give a slot back that no request used."""
    connection.execute(_UNUSED, {"number": slot.number, "busy_until": slot.busy_until})


def seconds_to_free_slot(connection: Connection, rate: int) -> float:
    """Seconds until a slot is free, 0 if one is."""
    return max(0.0, connection.execute(_WAIT, {"rate": rate}).scalar_one() or 0.0)
