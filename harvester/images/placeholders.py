"""Pictures that stand in for missing ones: "no image available", logos, grey squares.

A provider serves them under the URL of every picture that it lacks, with status 200. What gives
them away is that the same bytes come from many different URLs: a picture that several records
share, as the pages of one album do, has one URL in all of them. Setting aside a true picture that
was uploaded five times over loses little: byte-identical copies teach nothing.

Verdicts are kept in IMAGE_DIR/placeholders.txt, one SHA-256 of a stored file and one word a line.
A person may overrule them: `picture` instead of `placeholder` frees the records at the next run,
and `placeholder` for any other picture sets its records aside.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from sqlalchemy import Engine, text

from common.errors import UsageError
from common.files import write_atomically
from harvester.images.outcomes import HarvestReason

FILE_NAME = "placeholders.txt"
MIN_URLS = 5  # from which on the same bytes count as a placeholder

Verdict = Literal["placeholder", "picture"]

_LINE = re.compile(r"([0-9a-f]{64})\s+(placeholder|picture)")
_HEADER = """\
# Pictures by the SHA-256 of the stored file: `placeholder` sets the records aside that have it.
# Write `picture` instead where that is wrong, and run `harvester images` again.
"""

_SUSPECTS = text("""
    SELECT image.sha256
    FROM image JOIN record ON record.id = image.record_id
    WHERE image.state = 'stored' AND image.sha256 IN (
        SELECT shown.sha256
        FROM dataset_item AS item
        JOIN image AS shown ON shown.record_id = item.record_id AND shown.state = 'stored'
        WHERE item.dataset_id = :dataset)
    GROUP BY image.sha256
    HAVING count(DISTINCT coalesce(record.media_url, record.preview_url)) >= :urls
""")

_SET_ASIDE = text("""
    UPDATE image
    SET state = 'failed', reason = :reason, detail = sha256, not_before = now(),
        sha256 = NULL, path = NULL, width = NULL, height = NULL
    WHERE state = 'stored' AND sha256 = ANY(:hashes)
""")

_FREE = text("""
    UPDATE image SET state = 'deferred', not_before = '-infinity', attempts = 1
    WHERE reason = :reason AND state = 'failed' AND detail = ANY(:hashes)
""")


class Placeholders:
    """What is known of them, in the store and in the file beside the pictures."""

    def __init__(self, engine: Engine, image_dir: Path) -> None:
        """Read the verdicts.

        Raises:
            UsageError: a line of the file is not what it should be.
        """
        self._engine = engine
        self._path = image_dir / FILE_NAME
        self._verdicts = _read(self._path)

    def __contains__(self, digest: str) -> bool:
        return self._verdicts.get(digest) == "placeholder"

    def free_pictures(self) -> None:
        """Have the records looked for again whose pictures a person says are true ones."""
        chosen = {"reason": HarvestReason.PLACEHOLDER.value, "hashes": self._judged("picture")}
        with self._engine.begin() as connection:
            connection.execute(_FREE, chosen)

    def set_aside(self, dataset: int) -> int:
        """Look for them among the pictures of a dataset.

        Returns:
            How many records, of any dataset, have lost their picture by that.

        Raises:
            EnrichmentError: the verdicts cannot be written.
        """
        with self._engine.connect() as connection:
            suspects = connection.scalars(_SUSPECTS, {"dataset": dataset, "urls": MIN_URLS}).all()
        found = [digest for digest in suspects if digest not in self._verdicts]
        if found:
            self._verdicts |= dict.fromkeys(found, "placeholder")
            write_atomically(self._path, _written(self._verdicts))
        chosen = {"reason": HarvestReason.PLACEHOLDER.value, "hashes": self._judged("placeholder")}
        with self._engine.begin() as connection:
            return connection.execute(_SET_ASIDE, chosen).rowcount

    def _judged(self, verdict: Verdict) -> list[str]:
        return [digest for digest, word in self._verdicts.items() if word == verdict]


def _read(path: Path) -> dict[str, Verdict]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    verdicts: dict[str, Verdict] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UsageError(
                f"{path}, line {number}: write a SHA-256 and `placeholder` or `picture`."
            )
        verdicts[match[1]] = cast(Verdict, match[2])
    return verdicts


def _written(verdicts: Mapping[str, Verdict]) -> str:
    return _HEADER + "".join(f"{digest} {verdict}\n" for digest, verdict in verdicts.items())
