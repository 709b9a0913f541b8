"""The tables of the store: Postgres is where the three services meet, and the truth.

vocabulary, vocabulary_concept     the labels of concepts, in versions that stay
concept, record          what was harvested
dataset, dataset_item    which records a classifier learns from, and as what
harvest_cursor           how far the search for a category has come
image                    the picture of a record, or the reason why there is none
picture_verdict          which pictures stand in for missing ones
host_lease               how much of an image host each process may ask for
encoder, picture_seen, embedding   what looks at pictures, which it saw, and what it keeps of them
training_run, checkpoint, model    what was learned, and what of it is in service
job, job_chunk, job_failure        what is to be enriched, and how far that has come
job_outcomes, job_failure_count    the same in sums
ledger_load              how much there is to do, a view for scaling workers
worker_process           which workers run, and what keeps them from working
enrichment, heatmap      what came out, and where the model looked for it
enrichment_removed       which enrichments a later job removed, and when
desk_user, desk_session, login_attempt, desk_action    who uses the desk, and what they did
api_token                which programs call the HTTP API, and how often
verdict, decision        what people say of suggestions, and what they decide
audit, audit_block, audit_draw     what was to be proven, what was drawn of it, and what came out
publication_plan, publication, withdrawal   what is published at Europeana, and what was withdrawn
publisher_slot, publisher_sync     how many requests run, and up to when deletions were read
service, refit           which models serve whom, and heads that learn from verdicts
schema_compatibility     which programs this schema serves (docs/how-to/migrate.md)
"""

from common.store.tables.accounts import Action, ApiToken, DeskSession, DeskUser, LoginAttempt, Role
from common.store.tables.base import RECORD_ID_PATTERN, Base, SchemaCompatibility
from common.store.tables.enriched import Enrichment, Heatmap, RemovedEnrichment
from common.store.tables.harvested import (
    Concept,
    Dataset,
    DatasetItem,
    HarvestCursor,
    HostShare,
    Image,
    ImageState,
    Judgement,
    PictureJudgement,
    PictureSource,
    Record,
    RecordAlias,
)
from common.store.tables.jobs import (
    ChunkState,
    Job,
    JobChunk,
    JobFailure,
    JobFailureCount,
    JobOutcomes,
    JobState,
    PictureChoice,
    Priority,
    WorkerProcess,
)
from common.store.tables.learned import (
    Checkpoint,
    ModelService,
    ModelStage,
    PromotedModel,
    Refit,
    TrainingRun,
)
from common.store.tables.outcomes import Outcome
from common.store.tables.published import (
    Publication,
    PublicationPlan,
    PublicationState,
    PublisherSlot,
    PublisherSync,
    Withdrawal,
)
from common.store.tables.reviewed import (
    Audit,
    AuditBlock,
    AuditDraw,
    AuditState,
    Decided,
    Decision,
    Verdict,
    VerdictKind,
)
from common.store.tables.seen import Embedding, PictureSeen, RegisteredEncoder
from common.store.tables.vocabularies import KeptConcept, KeptVocabulary

__all__ = [
    "RECORD_ID_PATTERN",
    "Action",
    "ApiToken",
    "Audit",
    "AuditBlock",
    "AuditDraw",
    "AuditState",
    "Base",
    "Checkpoint",
    "ChunkState",
    "Concept",
    "Dataset",
    "DatasetItem",
    "Decided",
    "Decision",
    "DeskSession",
    "DeskUser",
    "Embedding",
    "Enrichment",
    "HarvestCursor",
    "Heatmap",
    "HostShare",
    "Image",
    "ImageState",
    "Job",
    "JobChunk",
    "JobFailure",
    "JobFailureCount",
    "JobOutcomes",
    "JobState",
    "Judgement",
    "KeptConcept",
    "KeptVocabulary",
    "LoginAttempt",
    "ModelService",
    "ModelStage",
    "Outcome",
    "PictureChoice",
    "PictureJudgement",
    "PictureSeen",
    "PictureSource",
    "Priority",
    "PromotedModel",
    "Publication",
    "PublicationPlan",
    "PublicationState",
    "PublisherSlot",
    "PublisherSync",
    "Record",
    "RecordAlias",
    "Refit",
    "RegisteredEncoder",
    "RemovedEnrichment",
    "Role",
    "SchemaCompatibility",
    "TrainingRun",
    "Verdict",
    "VerdictKind",
    "Withdrawal",
    "WorkerProcess",
]
