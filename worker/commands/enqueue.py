"""`worker enqueue`: arguments only."""

from collections.abc import Sequence
from typing import Annotated

import typer

from common.errors import UsageError
from common.pictures.sources import PictureKinds
from common.process.user_name import user_name
from common.store.session import open_store
from common.store.tables import PictureChoice, Priority
from worker import jobs
from worker.commands.options import console
from worker.jobs import JobOptions, Records, RecordSelection, Unpromised
from worker.jobs.ages import parse_age
from worker.jobs.records import RejectedLines, read_files, refuse_rejected

_TITLES: dict[str, str] = {
    PictureChoice.THUMBNAIL: "Europeana's thumbnails",
    PictureChoice.MEDIA: "the providers' files",
    PictureChoice.AUTO: "the providers' files",
}

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="one record ID a line; - for standard input"),
]
Name = Annotated[str | None, typer.Option(help="the records of this dataset")]
DataProvider = Annotated[str | None, typer.Option(help="the store's records of this data provider")]
Concept = Annotated[
    str | None,
    typer.Option(help="records with this label in any dataset: URI or label"),
]
Unseen = Annotated[
    bool,
    typer.Option(
        "--unseen",
        help="leave out records that the model has seen; without a list or another condition, "
        "take all other records of the store",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[@VERSION]",
        help="another model than the active one; may be repeated for models on one encoder, which "
        "looks at a picture once for all of them",
    ),
]
JobPriority = Annotated[Priority, typer.Option(help="urgent jobs overtake bulk jobs")]
Picture = Annotated[
    PictureChoice | None,
    typer.Option(
        help="what to look at: Europeana's thumbnail, the provider's file, or (auto) the file "
        "with the thumbnail as fallback",
        show_default="thumbnail; auto if urgent",
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="also store a heatmap of where the model looked for each enrichment, for "
        "`worker explain`; takes more than twice the computing time",
    ),
]
LookAgain = Annotated[
    bool,
    typer.Option(
        "--look-again", help="look at all pictures, also those that the encoder saw before"
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        metavar="AGE",
        help="look again at pictures that were seen longer ago: days or hours, such as 30d or 12h",
    ),
]
IdempotencyKey = Annotated[str | None, typer.Option(help="the same key again makes no second job")]
SkipInvalid = Annotated[
    bool, typer.Option("--skip-invalid", help="leave out lines that hold no record ID")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="say what would be done, and write nothing")
]


def enqueue(
    files: Files = None,
    name: Name = None,
    data_provider: DataProvider = None,
    concept: Concept = None,
    unseen: Unseen = False,
    model: Models = None,
    priority: JobPriority = Priority.BULK,
    picture: Picture = None,
    explain: Explain = False,
    look_again: LookAgain = False,
    max_age: MaxAge = None,
    idempotency_key: IdempotencyKey = None,
    skip_invalid: SkipInvalid = False,
    dry_run: DryRun = False,
) -> None:
    """Make a job of record IDs, item URIs or portal URLs; prints its ID.

    Without a file the records come from the store: those that meet all of --name, --data-provider,
    --concept and --unseen.

    Examples: worker enqueue ids.txt more.txt · cat ids.txt | worker enqueue - · worker enqueue
    --name dataset_3000 · worker enqueue --data-provider "Rijksmuseum" --unseen --dry-run
    """
    selection = RecordSelection(dataset=name, data_provider=data_provider, concept=concept)
    options = JobOptions(
        priority=priority,
        picture=picture,
        model=model,
        unseen=unseen,
        explain=explain,
        look_again=look_again,
        max_age=None if max_age is None else parse_age(max_age),
        submitter=user_name(),
        idempotency_key=idempotency_key,
    )
    rejected = RejectedLines()
    records = _records(files or [], selection, rejected, unseen=unseen, skip_invalid=skip_invalid)
    if dry_run:
        _preview(records, options, rejected)
    else:
        _enqueue(records, options, rejected)
    if rejected.count:
        console.print(f"  {rejected}", markup=False)


def _records(
    files: list[str],
    selection: RecordSelection,
    rejected: RejectedLines,
    *,
    unseen: bool,
    skip_invalid: bool,
) -> Records:
    if files and selection != RecordSelection():
        raise UsageError(
            "Give either files or a selection of the store (--name, --data-provider, --concept). "
            "--unseen goes with both."
        )
    if not files:
        if selection == RecordSelection() and not unseen:
            raise UsageError(
                "Say which records: a file (- for standard input), --name, --data-provider, "
                "--concept or --unseen."
            )
        return selection
    record_ids = read_files(files, rejected)
    return record_ids if skip_invalid else refuse_rejected(record_ids, rejected)


def _enqueue(records: Records, options: JobOptions, rejected: RejectedLines) -> None:
    engine = open_store()
    accepted = jobs.enqueue(engine, records, options)
    if accepted.already_known:
        console.print("A job with this idempotency key exists; nothing was added.")
    else:
        left_out = _left_out(accepted.duplicates, accepted.seen, rejected)
        console.print(f"{accepted.total:,} records enqueued{left_out}.", markup=False)
    typer.echo(accepted.job_id)
    _warn_of_other_pictures(accepted.pictures)
    _warn_of_other_providers(jobs.unpromised(engine, accepted.job_id))


def _preview(records: Records, options: JobOptions, rejected: RejectedLines) -> None:
    preview = jobs.preview(open_store(), records, options)
    left_out = _left_out(preview.duplicates, preview.seen, rejected)
    console.print(
        f"{preview.total:,} records in {preview.chunks:,} chunks would be enqueued for "
        f"{preview.model}{left_out}. {preview.unknown:,} of them are not in the store: the worker "
        "would ask Europeana's API for them. Nothing was written.",
        markup=False,
        soft_wrap=True,
    )
    _warn_of_other_pictures(preview.pictures)
    _warn_of_other_providers(preview.unpromised)


def _warn_of_other_providers(unpromised: Sequence[Unpromised]) -> None:
    for each in unpromised:
        console.print(str(each), soft_wrap=True)


def _warn_of_other_pictures(pictures: PictureKinds) -> None:
    if not pictures.differ:
        return
    console.print(
        f"The model was trained on {_TITLES[pictures.trained_on or '']}, the job looks at "
        f"{_TITLES[pictures.looks_at]}: accuracy may be lower than at promotion. "
        "--picture says what to look at.",
        soft_wrap=True,
    )


def _left_out(duplicates: int, seen: int, rejected: RejectedLines) -> str:
    counts = {"duplicates": duplicates, "seen before": seen, "without a record ID": rejected.count}
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
