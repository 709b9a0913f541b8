"""Pictures in one folder for each category, for people and for tools that read such folders.

Only records with a single label are placed: a picture in two folders would be an example of both.
Files are hard links to those in IMAGE_DIR, or copies if the file system has no links. If the label
of a record changes, its file moves; if its picture is lost, the file is removed. All other files
stay, also those of records that the dataset no longer has.
"""

import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Engine, text

from common.errors import EnrichmentError
from common.files import replacing
from common.store.records import find_dataset
from common.store.session import allow_pauses
from harvester.datasets.vocabulary import NAMED_CATEGORIES
from harvester.pictures.files import remove_stale_files

LONGEST_NAME = 200  # characters; file systems allow 255
_ROWS_AT_ONCE = 2000

_PICTURES = text(f"""
    WITH {NAMED_CATEGORIES}
    SELECT item.record_id, image.path,
           CASE WHEN count(*) = 1 AND image.path IS NOT NULL THEN min(named.category) END AS label
    FROM dataset_item AS item
    JOIN named USING (concept_uri)
    LEFT JOIN image ON image.record_id = item.record_id AND image.state = 'stored'
    WHERE item.dataset_id = :dataset
    GROUP BY item.record_id, image.path
""")


def place_pictures(engine: Engine, name: str, *, image_dir: Path, saving_dir: Path) -> int:
    """Place every picture of a single-label record under `saving_dir/<label>/`.

    Returns:
        The number of placed pictures.

    Raises:
        UsageError: there is no such dataset.
        EnrichmentError: a picture is missing, or the folder cannot be written to.
    """
    remove_stale_files(saving_dir)
    present = _present(saving_dir)
    placed = 0
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        allow_pauses(connection)  # the disk may be slow
        rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
            _PICTURES, {"dataset": dataset}
        )
        for row in rows:
            stem = file_name(row.record_id)
            target = None
            if row.label is not None:
                source = image_dir / row.path
                target = saving_dir / row.label / (stem + source.suffix)
                _place(source, target)
                placed += 1
            _remove(path for path in present.get(stem, ()) if path != target)
    return placed


def _present(saving_dir: Path) -> dict[str, list[Path]]:
    """The files in the category folders, by their names without suffix."""
    present: dict[str, list[Path]] = {}
    for path in saving_dir.glob("*/*"):
        present.setdefault(path.stem, []).append(path)
    return present


def _remove(outdated: Iterable[Path]) -> None:
    """Remove files, and folders that are empty then: an empty folder is no category."""
    for path in outdated:
        try:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        except OSError as error:
            raise EnrichmentError(f"{path} cannot be removed: {error.strerror}.") from error


def file_name(record_id: str) -> str:
    """A file name for a record: dataset_local for `/dataset/local`.

    If that is ambiguous or too long for a file system, a part of a hash makes it unique.
    """
    dataset, local = record_id.strip("/").split("/")
    name = f"{dataset}_{local}"
    if "_" not in dataset and len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}_{sha256(record_id.encode()).hexdigest()[:12]}"


def _place(source: Path, target: Path) -> None:
    try:
        if _is_placed(source, target):
            return
        with replacing(target) as unfinished:
            _link(source, unfinished)
    except OSError as error:
        raise EnrichmentError(f"{source} cannot be moved to {target}: {error.strerror}.") from error


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _is_placed(source: Path, target: Path) -> bool:
    if not target.exists():
        return False
    return target.samefile(source) or target.stat().st_size == source.stat().st_size
