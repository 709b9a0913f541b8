"""What is done with a chunk: its pictures are looked at or read, and its results are written."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import Engine

from common.errors import UsageError
from common.pictures.sources import PictureKinds
from common.process.settings.worker import WorkerSettings
from worker import metrics
from worker.enrich.model_pool import ModelPool, ModelsInUse
from worker.enrich.pipeline import ChunkOutcome, Pipeline, predict_again
from worker.ledger.chunks import Lease
from worker.ledger.finish import Finished, finish

log = structlog.get_logger()


class ChunkWork:
    """Brings chunks to their outcomes; threads share one."""

    def __init__(
        self, engine: Engine, settings: WorkerSettings, pipeline: Pipeline, models: ModelPool
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._pipeline = pipeline
        self._models = models
        self._warned_jobs: set[UUID] = set()

    def run(
        self,
        lease: Lease,
        *,
        on_record: Callable[[], None],
        before_loading: Callable[[], None],
    ) -> None:
        """Enrich the records of a chunk, and close it.

        Args:
            on_record: is called when the work begins and after each record; what it raises ends it.
            before_loading: is called before a model is loaded, which may take minutes.
        """
        with self._models.use(*lease.routes.model_ids, before_loading=before_loading) as models:
            on_record()
            self._warn_of_other_pictures(lease, models)
            outcome = self._pipeline.run(lease, models, on_record=on_record)
            if lease.explain and outcome.pictures:
                self._explain(outcome, models, on_record)
        with metrics.timed("write"):
            end = self._finish(lease, outcome, models)
        metrics.CHUNKS.labels("done").inc()
        tallies = outcome.tallies
        for model in models.models:
            metrics.count_said(model.title, tallies.get(model.id, {}))
        log.info(
            "chunk done",
            classified=len(outcome.predicted),
            read=outcome.read,
            not_classified=len(outcome.errors),
            runtime=models.runtime,
        )
        if end.job_done:
            log.info("job done")

    def _finish(self, lease: Lease, outcome: ChunkOutcome, models: ModelsInUse) -> Finished:
        """Write the results; if others saved other embeddings first, predict from those."""
        delays = self._settings.retry_delays
        while (end := finish(self._engine, lease, outcome, retry_delays=delays)).kept_otherwise:
            predict_again(outcome, end.kept_otherwise, models, lease)
        return end

    def _explain(
        self, outcome: ChunkOutcome, models: ModelsInUse, on_record: Callable[[], None]
    ) -> None:
        try:
            from worker.enrich.explain import explain  # an extra, and slow to load
        except ModuleNotFoundError as error:
            raise UsageError(
                f"Heatmaps need {error.name}: pip install '.[worker,explain]'."
            ) from error
        complete = {each.id: partial(models.network().explained, each) for each in models.models}
        explain(outcome, complete, self._settings.heatmap_dir, on_record=on_record)

    def _warn_of_other_pictures(self, lease: Lease, models: ModelsInUse) -> None:
        if lease.job_id in self._warned_jobs:
            return
        sources = [each.description.picture_source for each in models.models]
        pictures = [PictureKinds(looks_at=lease.picture, trained_on=each) for each in sources]
        if trained_on := [each.trained_on for each in pictures if each.differ]:
            self._warned_jobs.add(lease.job_id)
            log.warning(
                "the model was trained on other pictures than the job looks at",
                trained_on=trained_on[0],
                looks_at=lease.picture,
            )
