"""A desk process on its own store, filled with enrichments of one large job."""

import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import requests
from sqlalchemy import Engine, text

from benchmarks.parts.drawn_models import CONCEPTS
from benchmarks.parts.services import REPOSITORY, program, wait_for
from common.store.tables import Role
from desk.access.accounts import add_account

PROVIDERS = tuple(f"Museum {number}" for number in range(1, 21) if number == 1 or number % 5 != 1)
_ADDRESS = re.compile(r"The desk is at (http://\S+)")
_FORM = re.compile(r'name="csrf" value="([^"]+)"')
REVIEWER, PASSWORD = "reviewer {}", "correct horse battery"
_CSRF = re.compile(r'data-csrf="([^"]+)"')

# The first provider has a fifth of all records, as large museums do.
_FILL = (
    """
    INSERT INTO concept SELECT 'http://data.europeana.eu/concept/' || n, 'concept ' || n
    FROM generate_series(1, 20) AS n
    """,
    """
    INSERT INTO record (id, media_url, title, rights, data_provider)
    SELECT '/' || n % 97 || '/r' || n, 'http://museum.example/' || n, 'Title of object ' || n,
           'http://creativecommons.org/licenses/by-sa/4.0/',
           'Museum ' || CASE WHEN n % 5 = 0 THEN 1 ELSE 1 + n % 20 END
    FROM generate_series(1, :enrichments) AS n
    """,
    """
    INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
    SELECT 'measured', 1, 'measured-1', repeat('0', 64), array_agg(uri),
           jsonb_object_agg(uri, 0.5), 'active' FROM concept
    """,
    """
    INSERT INTO job (id, model_id, state, total, chunks, created_at, finished_at)
    SELECT :job, id, 'done', :enrichments, (:enrichments + 255) / 256,
           now() - interval '1 hour', now() FROM model
    """,
    """
    INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, enriched, said)
    SELECT :job, 1 + place / 256, array_agg(id), 'done',
           now() - interval '1 hour' + 0.9 * interval '1 second' * (place / 256), count(*),
           jsonb_build_object((SELECT id FROM model), jsonb_object_agg('Museum ' || place % 20,
                              '[12, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4]'::jsonb))
    FROM (SELECT id, row_number() OVER (ORDER BY hashtext(id)) - 1 AS place FROM record) AS placed
    GROUP BY place / 256
    """,
    """
    INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url, job_id)
    SELECT model.id, record.id,
           'http://data.europeana.eu/concept/' || 1 + abs(hashtext(record.id)) % 20,
           0.5 + 0.5 * (abs(hashtext(record.id || 'x')) % 1000) / 1000.0, 'thumbnail',
           record.media_url, :job
    FROM record CROSS JOIN model
    """,
    """
    INSERT INTO verdict (id, record_id, concept_uri, said, model_id, user_id)
    SELECT gen_random_uuid(), record_id, concept_uri,
           (ARRAY['right', 'right', 'wrong', 'cannot_tell'])[1 + (random() * 3.99)::int % 4],
           model_id, (SELECT array_agg(id) FROM desk_user)[1 + floor(10 * random())::int]
    FROM enrichment ORDER BY hashtext(record_id || 'v') LIMIT :verdicts
    """,
)


@dataclass(frozen=True, kw_only=True)
class DeskService:
    """A running desk: its address, its process, the job in its store, and some records."""

    url: str
    pid: int
    job: UUID


@contextmanager
def desk_service(folder: Path, job: UUID, **variables: str) -> Iterator[DeskService]:
    """Run a desk on the store of DATABASE_URL, which has the job, with these settings besides."""
    log = folder / "desk.log"
    settings = {"DESK_CACHE_DIR": str(folder / "cache"), "MODEL_DIR": str(folder / "models")}
    command, environment = (
        program("desk", "serve", "--port", "0"),
        os.environ | settings | variables,
    )
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=errors) as process,
    ):
        try:
            wait_for(lambda: _ADDRESS.search(log.read_text()) is not None)
            url = _ADDRESS.findall(log.read_text())[0]
            yield DeskService(url=url, pid=process.pid, job=job)
        finally:
            process.terminate()


def fill_store(engine: Engine, *, enrichments: int, verdicts: int) -> UUID:
    """Add a done job with enrichments, and verdicts on some of them; returns the job's number."""
    job = uuid4()
    asked = {"job": job, "enrichments": enrichments, "verdicts": verdicts}
    for number in range(1, 11):
        name = REVIEWER.format(number)
        add_account(engine, name, role=Role.REVIEWER, password=PASSWORD, subject=None)
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), asked)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return job


def log_in(session: requests.Session, desk: DeskService, number: int) -> str:
    """Log in as one of ten reviewers; returns the word that forms send back."""
    page = session.get(desk.url + "/login", timeout=60).text
    found = _FORM.search(page)
    assert found is not None, page
    form = {"csrf": found[1], "name": REVIEWER.format(1 + number % 10), "password": PASSWORD}
    session.post(desk.url + "/login", data=form | {"after": "/"}, timeout=60)
    return csrf_of(session.get(desk.url + "/see", timeout=60).text)


def csrf_of(page: str) -> str:
    """The word against forgery in a page."""
    found = _CSRF.search(page)
    assert found is not None
    return found[1]


def new_verdict(records: int, csrf: str, chance: random.Random) -> dict[str, str]:
    """The form of a verdict on a random record."""
    number = chance.randrange(1, records + 1)
    return {
        "csrf": csrf,
        "id": str(uuid4()),
        "record": f"/{number % 97}/r{number}",
        "concept": chance.choice(CONCEPTS),
        "said": chance.choice(["right", "wrong", "too_general", "cannot_tell"]),
        "instead": "",
        "model": "",
    }
