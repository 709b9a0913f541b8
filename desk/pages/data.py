"""The page Data: datasets, trainings and reports of trainings."""

from pathlib import Path

from starlette.responses import Response

from common.errors import UsageError
from desk.review.model_list import list_trainings
from desk.web.asking import DeskRequest, NotThereError, page
from desk.web.rendering import render
from harvester.datasets.operations import check_dataset_name, list_datasets

# A report is one file with its own styles and pictures. It may run no script and load nothing.
REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
REPORT = "report.html"
MOST_BYTES = 100_000_000


def data(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        trainings = list_trainings(connection)
    folder = asked.desk.settings.experiment_dir
    reports = {each.name for each in trainings if _report(folder, each.name) is not None}
    values = {"datasets": list_datasets(asked.desk.engine), "trainings": trainings}
    return render(asked, "data", values | {"reports": reports})


def report(asked: DeskRequest) -> Response:
    path = _report(asked.desk.settings.experiment_dir, asked.path("training"))
    if path is None:
        raise NotThereError("This desk has no report of this training in EXPERIMENT_DIR.")
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return Response(path.read_bytes(), media_type="text/html; charset=utf-8", headers=headers)


def _report(folder: Path, training: str) -> Path | None:
    try:
        check_dataset_name(training)  # an experiment's name has the same form
    except UsageError:
        return None
    path = folder / training / REPORT
    try:
        is_there = path.is_file() and path.stat().st_size <= MOST_BYTES
    except OSError:
        return None
    return path if is_there else None


ROUTES = [page("/data", data), page("/trainings/{training}/report", report)]
