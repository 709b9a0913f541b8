"""`worker enqueue`: arguments only."""

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer
from sqlalchemy import Engine

from common.errors import EnrichmentError, UsageError
from common.pictures.sources import PictureKinds
from common.process.terminal.ages import parse_age
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.user_name import user_name
from common.store.session import open_store
from common.store.tables import JobState, PictureChoice, Priority
from worker import jobs
from worker.commands.options import console
from worker.jobs import Accepted, JobOptions, Preview, Records, RecordSelection, Unpromised
from worker.jobs.model_choice import one_model
from worker.jobs.records import RejectedLines, leave_out_rejected, read_files, refuse_rejected
from worker.ledger.roster import live_workers

_TITLES: dict[str, str] = {
    PictureChoice.THUMBNAIL: "Europeana's thumbnails",
    PictureChoice.MEDIA: "the providers' files",
    PictureChoice.AUTO: "the providers' files",
}
_RECORDS, _LOOK, _JOB = "Which records", "How to look at them", "The job"

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="One record ID per line; - for standard input."),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The records of this dataset.", rich_help_panel=_RECORDS),
]
DataProvider = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The store's records of this data provider.",
        rich_help_panel=_RECORDS,
    ),
]
Concept = Annotated[
    str | None,
    typer.Option(
        metavar="URI|LABEL",
        help="Records that have this concept in a dataset. Give the URI of the concept, or its "
        "label in any vocabulary.",
        rich_help_panel=_RECORDS,
    ),
]
Unseen = Annotated[
    bool,
    typer.Option(
        "--unseen",
        help="Leave out records that the model has already processed. If you give no file and no "
        "other condition, the job takes all other records of the store.",
        rich_help_panel=_RECORDS,
    ),
]
SkipInvalid = Annotated[
    bool,
    typer.Option(
        "--skip-invalid",
        help="Leave out lines without a valid record ID.",
        rich_help_panel=_RECORDS,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[@VERSION]",
        help="Use this model instead of the model in service. NAME alone means the version in "
        "service, or the only version.",
        rich_help_panel=_LOOK,
    ),
]
Picture = Annotated[
    PictureChoice | None,
    typer.Option(
        help="thumbnail: Europeana's thumbnail. media: the provider's file. auto: the file, or "
        "the thumbnail if the file fails. Default: thumbnail. For urgent jobs, the default "
        "is auto.",
        rich_help_panel=_LOOK,
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Also save a heatmap for each enrichment. It shows where the model looked (see "
        "`worker explain`). This takes more than twice the computing time.",
        rich_help_panel=_LOOK,
    ),
]
LookAgain = Annotated[
    bool,
    typer.Option(
        "--look-again",
        help="Look at all pictures again, and do not use saved embeddings.",
        rich_help_panel=_LOOK,
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        metavar="AGE",
        help="Look again at pictures that were last analysed longer ago, such as 30d or 12h.",
        rich_help_panel=_LOOK,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(help="Name of the job, for use in other commands.", rich_help_panel=_JOB),
]
JobPriority = Annotated[
    Priority, typer.Option(help="Workers take urgent jobs before bulk jobs.", rich_help_panel=_JOB)
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="If you send the same key again, no second job is made.",
        rich_help_panel=_JOB,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print what the command would do, and make no job.", rich_help_panel=_JOB
    ),
]


@prints(Accepted | Preview)
def enqueue(
    files: Files = None,
    dataset: Dataset = None,
    data_provider: DataProvider = None,
    concept: Concept = None,
    unseen: Unseen = False,
    skip_invalid: SkipInvalid = False,
    model: Models = None,
    picture: Picture = None,
    explain: Explain = False,
    look_again: LookAgain = False,
    max_age: MaxAge = None,
    name: Name = None,
    priority: JobPriority = Priority.BULK,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a job from record IDs, item URIs or portal URLs, and print the ID of the job.

    Without a file, the job takes records of the store. Choose them with --dataset, --data-provider,
    --concept and --unseen; the job takes the records that meet all these options.

    Examples: worker enqueue ids.txt more.txt · cat ids.txt | worker enqueue - · worker enqueue
    --dataset dataset_3000 --name maps · worker enqueue --data-provider Rijksmuseum --unseen
    """
    selection = RecordSelection(dataset=dataset, data_provider=data_provider, concept=concept)
    options = JobOptions(
        name=name,
        priority=priority,
        picture=picture,
        model=one_model(model or []),
        unseen=unseen,
        explain=explain,
        look_again=look_again,
        max_age=None if max_age is None else parse_age(max_age),
        submitter=user_name(),
        idempotency_key=idempotency_key,
    )
    rejected = RejectedLines()
    records = _records(files or [], selection, rejected, unseen=unseen, skip_invalid=skip_invalid)
    (_preview if dry_run else _enqueue)(records, options, rejected, as_json=as_json)
    if rejected.count:
        console.print(f"  {rejected}", soft_wrap=True)


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
            "Give either files or a selection of the store (--dataset, --data-provider, "
            "--concept). You can add --unseen to both."
        )
    if not files:
        if selection == RecordSelection() and not unseen:
            raise UsageError(
                "Say which records: a file (- for standard input), --dataset, --data-provider, "
                "--concept or --unseen."
            )
        return selection
    record_ids = read_files(files, rejected)
    if skip_invalid:
        return leave_out_rejected(record_ids, rejected)
    return refuse_rejected(record_ids, rejected, leave_out="leave them out with --skip-invalid")


def _enqueue(
    records: Records, options: JobOptions, rejected: RejectedLines, *, as_json: bool
) -> None:
    engine = open_store()
    accepted = jobs.enqueue(engine, records, options)
    if accepted.already_known:
        _tell_of_known(accepted)
    else:
        left_out = _left_out(accepted.duplicates, accepted.seen, rejected)
        console.print(f"{counted(accepted.total, 'record')} enqueued{left_out}.")
    if as_json:
        print_json(accepted, Accepted)
    else:
        typer.echo(accepted.job_id)
    _warn_of_other_pictures(accepted.pictures)
    _warn_of_other_providers(jobs.unpromised(engine, accepted.job_id))
    if accepted.state is JobState.RUNNING:
        _tell_of_workers(engine)
    job = shlex.quote(accepted.name or str(accepted.job_id))
    console.print(f"Next: worker status {job} --watch", soft_wrap=True)


def _tell_of_known(accepted: Accepted) -> None:
    """Say that a job with the key exists, and fail if nothing comes of it."""
    job = f"Job {accepted.job_id} has this idempotency key and"
    if accepted.state is JobState.CANCELLED:
        raise EnrichmentError(
            f"{job} was cancelled: nothing was added. "
            "To enqueue its records again, choose another key."
        )
    console.print(f"{job} is {accepted.state}: nothing was added.", soft_wrap=True)


def _tell_of_workers(engine: Engine) -> None:
    """Say who works on it: the job is safe in the store, and workers look there for jobs."""
    workers = live_workers(engine)
    if not workers:
        console.print("The job is in the store. No worker is alive. Start one: worker run")
    elif working := sum(worker.works for worker in workers):
        find = counted(working, "worker finds", "workers find")
        console.print(f"The job is in the store. {find} the job within seconds.")
    else:
        console.print("The job is in the store. At their last check, the workers could not work:")
        for name, problem in ((each.name, found) for each in workers for found in each.problems):
            console.print(f"  {name}: {problem.what}.", soft_wrap=True)
        console.print("Workers check again after some seconds. When they can work, they begin.")


def _preview(
    records: Records, options: JobOptions, rejected: RejectedLines, *, as_json: bool
) -> None:
    preview = jobs.preview(open_store(), records, options)
    left_out = _left_out(preview.duplicates, preview.seen, rejected)
    size = f"{counted(preview.total, 'record')} in {counted(preview.chunks, 'chunk')}"
    would = f"{size} would be enqueued for {preview.model}{left_out}."
    unknown = f" Not in the store: {preview.unknown:,}; a worker would ask Europeana for these."
    asked = unknown if preview.unknown else ""
    console.print(f"{would}{asked} Nothing was written.", soft_wrap=True)
    _warn_of_other_pictures(preview.pictures)
    _warn_of_other_providers(preview.unpromised)
    if as_json:
        print_json(preview, Preview)


def _warn_of_other_providers(unpromised: Sequence[Unpromised]) -> None:
    for each in unpromised:
        console.print(str(each), soft_wrap=True)


def _warn_of_other_pictures(pictures: PictureKinds) -> None:
    if not pictures.differ:
        return
    console.print(
        f"The model was trained on {_TITLES[pictures.trained_on or '']}, but the job looks "
        f"at {_TITLES[pictures.looks_at]}. So the accuracy may be lower than at promotion. "
        "To look at other pictures: --picture",
        soft_wrap=True,
    )


def _left_out(duplicates: int, seen: int, rejected: RejectedLines) -> str:
    parts = [
        counted(duplicates, "duplicate") if duplicates else "",
        f"{seen:,} seen before" if seen else "",
        f"{rejected.count:,} without a record ID" if rejected.count else "",
    ]
    told = ", ".join(filter(None, parts))
    return f"; left out: {told}" if told else ""
