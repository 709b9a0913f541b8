"""Many records by their IDs: Search finds a hundred a request, the Record API what it misses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import RecordError, UnknownFormError
from common.europeana.api import EuropeanaApi
from common.europeana.metadata import RecordMetadata


@dataclass(frozen=True)
class LookUp:
    """What became of each ID that was asked for: it is in `found` or in `gone`."""

    found: Mapping[str, RecordMetadata]
    gone: Mapping[str, RecordError]

    @property
    def moved(self) -> dict[str, str]:
        """The present ID of every record that was asked for by a former one."""
        return {asked: told.id for asked, told in self.found.items() if told.id != asked}


def look_up(api: EuropeanaApi, record_ids: Sequence[str]) -> LookUp:
    """Ask for records; those that moved are found under their present ID.

    A record that the Record API describes in a form we do not know is gone, its neighbours are not.

    Raises:
        ApiError: an API cannot be asked; nothing is known of any of the records then.
    """
    found = {record.id: record for record in api.search_ids(record_ids)}
    gone: dict[str, RecordError] = {}
    for record_id in record_ids:
        if record_id in found:
            continue
        try:
            found[record_id] = api.record(record_id)
        except RecordError as error:
            gone[record_id] = error
        except UnknownFormError as error:
            gone[record_id] = RecordError("resolve", "unreadable_answer", str(error))
    return LookUp({asked: found[asked] for asked in record_ids if asked in found}, gone)
