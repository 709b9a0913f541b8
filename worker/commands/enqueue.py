"""`worker enqueue`: arguments only."""

from getpass import getuser
from typing import Annotated

import typer

from common.errors import UsageError
from common.pictures.sources import PictureKinds
from common.store.session import open_store
from common.store.tables import PictureChoice, Priority
from worker import jobs
from worker.commands.options import console
from worker.jobs import JobOptions, Records, RecordSelection
from worker.jobs.records import RejectedLines, read_files, refuse_rejected

_TITLES: dict[str, str] = {
    PictureChoice.THUMBNAIL: "Europeana's thumbnails",
    PictureChoice.MEDIA: "the providers' files",
    PictureChoice.AUTO: "the providers' files",
}


def enqueue(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="one record ID a line; - for standard input"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="the records of this dataset")] = None,
    data_provider: Annotated[
        str | None, typer.Option(help="the store's records of this data provider")
    ] = None,
    concept: Annotated[
        str | None, typer.Option(help="records that a dataset labels so: a concept's URI or label")
    ] = None,
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen",
            help="leave out what the model has looked at already; without a list or another "
            "condition, all the store's other records",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME[@VERSION]", help="another model than the active one"),
    ] = None,
    priority: Annotated[
        Priority, typer.Option(help="urgent jobs overtake bulk jobs")
    ] = Priority.BULK,
    picture: Annotated[
        PictureChoice | None,
        typer.Option(
            help="what to look at: Europeana's thumbnail, the provider's file, or (auto) the file "
            "with the thumbnail as fallback",
            show_default="thumbnail; auto if urgent",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="also store for each enrichment a heatmap of where the model looked, for "
            "`worker explain`; twice the computing, and more",
        ),
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="the same key again makes no second job")
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="leave out lines that hold no record ID")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what would be done; writes nothing")
    ] = False,
) -> None:
    """Make a job of record IDs, item URIs or portal URLs; prints its ID.

    Without a file the records come from the store, and --name, --data-provider, --concept and
    --unseen together say which.

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
        submitter=_user(),
        idempotency_key=idempotency_key,
    )
    rejected = RejectedLines()
    records = _records(files or [], selection, rejected, unseen=unseen, skip_invalid=skip_invalid)
    engine = open_store()
    if dry_run:
        preview = jobs.preview(engine, records, options)
        _show_preview(preview, rejected)
        _warn_of_other_pictures(preview.pictures)
    else:
        accepted = jobs.enqueue(engine, records, options)
        _show_accepted(accepted, rejected)
        _warn_of_other_pictures(accepted.pictures)
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
            "Give either files or a selection of the store (--name, --data-provider, --concept); "
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


def _user() -> str | None:
    try:
        return getuser()
    except (OSError, KeyError):  # an account without a name, as in a container
        return None


def _show_accepted(accepted: jobs.Accepted, rejected: RejectedLines) -> None:
    if accepted.already_known:
        console.print("A job with this idempotency key exists; nothing was added.")
    else:
        left_out = _left_out(accepted.duplicates, accepted.seen, rejected)
        console.print(f"{accepted.total:,} records enqueued{left_out}.", markup=False)
    typer.echo(accepted.job_id)


def _show_preview(preview: jobs.Preview, rejected: RejectedLines) -> None:
    left_out = _left_out(preview.duplicates, preview.seen, rejected)
    console.print(
        f"{preview.total:,} records in {preview.chunks:,} chunks would be enqueued for "
        f"{preview.model}{left_out}. {preview.unknown:,} of them are not in the store: Europeana's "
        "API would be asked about them. Nothing was written.",
        markup=False,
        soft_wrap=True,
    )


def _warn_of_other_pictures(pictures: PictureKinds) -> None:
    if not pictures.differ:
        return
    console.print(
        f"The model was trained on {_TITLES[pictures.trained_on or '']}, the job looks at "
        f"{_TITLES[pictures.looks_at]}: it may be less right than it was measured to be. "
        "--picture says what to look at.",
        soft_wrap=True,
    )


def _left_out(duplicates: int, seen: int, rejected: RejectedLines) -> str:
    counts = {"duplicates": duplicates, "seen before": seen, "without a record ID": rejected.count}
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f"; left out: {', '.join(parts)}" if parts else ""
