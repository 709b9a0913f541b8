"""From asked pictures to what a model's encoder makes of them: read what is kept, look at the rest.

The same rules hold as for workers: where the picture of a record is, addresses, sizes, limits of
hosts, decoders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine

from common.errors import RecordError, UsageError
from common.europeana.api import EuropeanaApi
from common.fetch.answers import sniff
from common.process.settings import ApiSettings
from common.process.settings.desk import DeskSettings
from common.reasons import Reason, Stage
from common.store.embeddings import kept_vectors
from common.store.tables import PictureChoice
from desk.api.annif.asked_pictures import AskedPicture
from desk.api.annif.downloads import PictureDownloads
from desk.api.annif.network_in_memory import NetworkInMemory, PictureNumbers
from desk.review.shown_models import ShownModel
from desk.review.thoughts import embeddings_of
from worker.enrich.resolve import PictureTarget, RecordResolver

NAMES_NO_PICTURE = (
    "the document has no picture. Give one of these fields: picture (a file, only in "
    "suggest), record, picture_url, metadata_europeana_id, metadata_image_url (in "
    "suggest-batch: europeana_id, image_url in metadata), or a text that is only a record ID "
    "or a URL"
)
LONGEST_QUOTA_WAIT = 2.0  # seconds for Europeana's APIs, since someone waits

Pictures = Mapping[int, AskedPicture]
Targets = Mapping[int, PictureTarget]
Found = dict[int, PictureNumbers | RecordError]
"""What became of pictures, by their places in the question."""


@dataclass(frozen=True, kw_only=True)
class SightedPicture:
    """A picture that was read or looked at; `data_provider` is its record's, empty if unknown."""

    numbers: PictureNumbers
    data_provider: str


class Sight:
    """Threads share one."""

    def __init__(self, engine: Engine, settings: DeskSettings) -> None:
        self._engine = engine
        api_url = settings.europeana_api_url
        self._resolver = RecordResolver(engine, _api_if_any(), api_url=api_url)
        self._downloads = PictureDownloads(settings)
        self._network = NetworkInMemory(engine, settings.model_dir)

    def close(self) -> None:
        self._network.close()
        self._downloads.close()

    def of(
        self,
        model: ShownModel,
        asked: Sequence[AskedPicture | RecordError | None],
        *,
        choice: PictureChoice,
    ) -> list[SightedPicture | RecordError]:
        """What the model's network makes of each picture; None is no picture, errors stay.

        Raises:
            ModelError, DeviceError: see `NetworkInMemory.look_at`.
        """
        pictures = {
            place: each for place, each in enumerate(asked) if isinstance(each, AskedPicture)
        }
        targets, found = self._resolved(pictures, choice)
        found |= self._read(model, targets)
        found |= self._looked_at(model, self._bytes(pictures, targets, found))
        found |= {place: each for place, each in enumerate(asked) if isinstance(each, RecordError)}
        return [_sighted(found.get(place), targets.get(place)) for place in range(len(asked))]

    def _resolved(self, asked: Pictures, choice: PictureChoice) -> tuple[Targets, Found]:
        wanted = {place: each.record_id for place, each in asked.items() if each.record_id}
        if not wanted:
            return {}, {}
        targets, errors = self._resolver.resolve(list(set(wanted.values())), picture=choice)
        known = {place: targets[each] for place, each in wanted.items() if each in targets}
        return known, {place: errors[each] for place, each in wanted.items() if each in errors}

    def _read(self, model: ShownModel, targets: Targets) -> Found:
        """The kept embedding of each record's latest picture, which the desk's pages use too."""
        if model.encoder_id is None or not targets:
            return {}
        records = [each.record_id for each in targets.values()]
        with self._engine.connect() as connection:
            kept = embeddings_of(connection, model.encoder_id, records)
        of_places = {place: kept.get(each.record_id) for place, each in targets.items()}
        return {place: vector for place, vector in of_places.items() if vector is not None}

    def _bytes(
        self, asked: Pictures, targets: Targets, found: Found
    ) -> dict[int, bytes | RecordError]:
        """The bytes of pictures that are still open: as they were sent, or from their hosts."""
        sent: dict[int, bytes | RecordError] = {}
        places: dict[int, tuple[str, ...]] = {}
        for place, each in asked.items():
            if each.content is not None:
                sent[place] = _checked(each.content)
            elif each.url is not None:
                places[place] = (each.url,)
            elif place not in found:
                places[place] = tuple(one.url for one in targets[place].pictures)
        return sent | self._downloads.fetch(places)

    def _looked_at(self, model: ShownModel, contents: Mapping[int, bytes | RecordError]) -> Found:
        """Each picture is looked at once, unless the encoder has seen its bytes."""
        errors = {key: each for key, each in contents.items() if isinstance(each, RecordError)}
        bytes_of = {key: each for key, each in contents.items() if isinstance(each, bytes)}
        digests = {key: sha256(each).digest() for key, each in bytes_of.items()}
        known: dict[bytes, PictureNumbers | RecordError] = {}
        if model.encoder_id is not None and digests:
            with self._engine.connect() as connection:
                known |= kept_vectors(connection, model.encoder_id, set(digests.values()))
        new = {digests[key]: each for key, each in bytes_of.items() if digests[key] not in known}
        if new:
            looked = self._network.look_at(model.id, list(new.values()))
            known |= zip(new, looked, strict=True)
        return errors | {key: known[digest] for key, digest in digests.items()}


def _sighted(
    found: PictureNumbers | RecordError | None, target: PictureTarget | None
) -> SightedPicture | RecordError:
    if found is None:
        return Reason.NO_PICTURE.error(NAMES_NO_PICTURE)
    if isinstance(found, RecordError):
        return found
    return SightedPicture(numbers=found, data_provider=target.data_provider if target else "")


def _api_if_any() -> EuropeanaApi | None:
    """The APIs, for records that the store does not have, if this process has a key."""
    try:
        return EuropeanaApi(ApiSettings.read(), longest_quota_wait=LONGEST_QUOTA_WAIT)
    except UsageError:
        return None


def _checked(content: bytes) -> bytes | RecordError:
    """The bytes that were sent, unless their beginning shows that they are no picture."""
    try:
        sniff(content)
    except RecordError as error:
        return RecordError(Stage.DECODE, error.reason, error.detail)  # nothing was fetched
    return content
