"""A desk process on a store of its own, filled with enrichments of one large job."""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import requests
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from common.store.tables import Role
from deploy.local import local_services
from desk.access.accounts import add_account

REPOSITORY = Path(__file__).resolve().parents[2]
SERVE = ("-c", "from desk.cli import main; main()", "serve", "--port", "0")
STARTING = 60.0  # seconds
CONCEPTS = tuple(f"http://data.europeana.eu/concept/{number}" for number in range(1, 21))
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
    """A desk that serves: its address, its process, the job in its store, and some records."""

    url: str
    pid: int
    job: UUID


@contextmanager
def desk_service(
    folder: Path,
) -> Iterator[Callable[[UUID], AbstractContextManager[DeskService]]]:
    """A migrated store, in DATABASE_URL, and how to start a desk on it."""
    with local_services() as services:
        os.environ["DATABASE_URL"] = services.database_url
        command.upgrade(Config(str(REPOSITORY / "alembic.ini")), "head")
        yield lambda job: _serving(folder, job)


@contextmanager
def _serving(folder: Path, job: UUID) -> Iterator[DeskService]:
    log = folder / "desk.log"
    settings = {"DESK_CACHE_DIR": str(folder / "cache"), "MODEL_DIR": str(folder / "models")}
    environment = os.environ | settings | {"PYTHONPATH": str(REPOSITORY)}
    with log.open("w") as errors:
        process = subprocess.Popen([sys.executable, *SERVE], env=environment, stderr=errors)
    try:
        deadline = time.monotonic() + STARTING
        while not (found := _ADDRESS.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the desk did not start: {log.read_text()}")
            time.sleep(0.1)
        yield DeskService(url=found[1], pid=process.pid, job=job)
    finally:
        process.terminate()
        process.wait()


def fill_store(engine: Engine, *, enrichments: int, verdicts: int) -> UUID:
    """A done job with so many enrichments, and verdicts on some of them; the number of the job."""
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
    """Log in as one of ten reviewers; the word that forms bring back."""
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
    """The form of a verdict on a record that is drawn."""
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
