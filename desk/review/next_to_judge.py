"""What to judge next: records of which a model is unsure, and that differ from each other.

A record's gradient says how its true concept would change the head: it is long where the model is
unsure, and points elsewhere for another concept or another kind of picture. Records are drawn far
from each other and from those that were judged, by these gradients (BADGE: Ash et al., 2020,
https://arxiv.org/abs/1906.03671; k-means++). A gradient has as many numbers as the head has
weights, and is never formed: it is the product of an error (classes,) and an embedding, and so are
all lengths and distances. Only numpy computes here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from common.store.embeddings import kept_vectors
from common.store.tables.harvested import of_provider
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Embeddings
from desk.review.seen_pictures import seen_picture

MOST_POOL = 5_000  # records that are drawn at random, to choose from
MOST_JUDGED = 1_000  # the newest ones, from which the chosen are to differ


@dataclass(frozen=True, kw_only=True)
class NextToJudge:
    """A record to judge, with the concept that the model takes for the most probable one."""

    record_id: str
    concept_uri: str
    confidence: float


_PICTURE = seen_picture("drawn.id", usual=True)
_POOL = text(f"""
    SELECT drawn.id, picture.sha256
    FROM (
        SELECT id FROM record
        WHERE {of_provider(":data_provider")}
          AND NOT EXISTS (SELECT FROM verdict
                          WHERE verdict.record_id = record.id AND withdrawn_at IS NULL)
          AND NOT EXISTS (SELECT FROM audit_draw JOIN audit ON audit.id = audit_draw.audit_id
                          WHERE audit_draw.record_id = record.id AND audit.state = 'open')
        ORDER BY hashtextextended(id, :seed)
    ) AS drawn
    CROSS JOIN {_PICTURE} LIMIT :most
""")
_JUDGED = text(f"""
    SELECT drawn.id, picture.sha256
    FROM (
        SELECT verdict.record_id AS id FROM verdict JOIN record ON record.id = verdict.record_id
        WHERE record.data_provider = :data_provider AND withdrawn_at IS NULL AND audit_id IS NULL
        GROUP BY verdict.record_id ORDER BY max(verdict.judged_at) DESC LIMIT :most
    ) AS drawn
    CROSS JOIN {_PICTURE}
""")


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """Gradients of n records: errors (n, classes), embeddings (n, dimension), squared lengths (n,).

    Build them with `of`.
    """

    errors: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    lengths: NDArray[np.float32]

    @classmethod
    def of(
        cls, probabilities: NDArray[np.float32], embeddings: Embeddings, *, several: bool
    ) -> "Gradients":
        """Those of the concepts that the model takes for true: one, or `several` of a picture."""
        said = probabilities >= 0.5
        if not several:
            said = np.zeros_like(said)
            np.put_along_axis(said, probabilities.argmax(axis=1)[:, np.newaxis], True, axis=1)
        errors, vectors = probabilities - said, embeddings.astype(np.float32)
        lengths = np.square(errors).sum(axis=1) * np.square(vectors).sum(axis=1)
        return cls(errors=errors, embeddings=vectors, lengths=lengths)

    def nearest(self, others: "Gradients") -> NDArray[np.float32]:
        """The squared distance (n,) of each to the nearest of the others."""
        products = (self.errors @ others.errors.T) * (self.embeddings @ others.embeddings.T)
        between = self.lengths[:, np.newaxis] + others.lengths - 2 * products
        found: NDArray[np.float32] = np.maximum(between, 0).min(axis=1)
        return found

    def one(self, row: int) -> "Gradients":
        """The gradient of one record."""
        part = slice(row, row + 1)
        return Gradients(
            errors=self.errors[part],
            embeddings=self.embeddings[part],
            lengths=self.lengths[part],
        )


def next_to_judge(
    connection: Connection,
    answering: Answering,
    encoder_id: int,
    *,
    data_provider: str,
    count: int,
    seed: int = 0,
) -> list[NextToJudge]:
    """Records of a data provider that are worth judging next, the first one first.

    They are among those whose pictures the encoder has seen, that nobody has judged, and that no
    open audit has drawn. With as many verdicts as before, the same seed gives the same records.

    Args:
        answering: the model that is to learn, one of heads on the encoder.
    """
    usual = answering.description.picture_source
    asked = {"encoder_id": encoder_id, "data_provider": data_provider, "usual": usual}
    pool = connection.execute(_POOL, asked | {"most": MOST_POOL, "seed": seed}).all()
    judged = connection.execute(_JUDGED, asked | {"most": MOST_JUDGED}).all()
    if not pool:
        return []
    pool = sorted(pool, key=lambda row: row.id)
    found, others = (
        _embeddings(connection, encoder_id, [bytes(row.sha256) for row in rows])
        for rows in (pool, judged)
    )
    several = answering.description.kind == "multi"
    answers = answering.answers(found)
    gradients = Gradients.of(answers.probabilities, found, several=several)
    before = None
    if len(others):
        said = answering.answers(others).probabilities
        before = Gradients.of(said, others, several=several)
    chance = np.random.default_rng([seed, len(judged)])
    uris = answering.description.concept_uris
    return [
        NextToJudge(
            record_id=pool[row].id,
            concept_uri=uris[int(answers.probabilities[row].argmax())],
            confidence=float(answers.probabilities[row].max()),
        )
        for row in draw_apart(gradients, before, count=count, chance=chance)
    ]


def draw_apart(
    gradients: Gradients, before: Gradients | None, *, count: int, chance: np.random.Generator
) -> list[int]:
    """Rows of gradients that are far from each other and from those that were there before."""
    distances = gradients.lengths if before is None else gradients.nearest(before)
    drawn: list[int] = []
    for _ in range(min(count, len(distances))):
        free = distances.astype(np.float64)
        free[drawn] = 0
        if not free.sum() > 0:  # all others are the same as one of the drawn: any of them
            free = np.ones(len(distances))
            free[drawn] = 0
        row = int(chance.choice(len(free), p=free / free.sum()))
        apart = gradients.nearest(gradients.one(row))
        distances = apart if before is None and not drawn else np.minimum(distances, apart)
        drawn.append(row)
    return drawn


def _embeddings(connection: Connection, encoder_id: int, pictures: list[bytes]) -> Embeddings:
    if not pictures:
        return np.empty((0, 0), dtype=np.float16)
    vectors = kept_vectors(connection, encoder_id, set(pictures))
    return np.stack([vectors[each] for each in pictures])
