"""Whether Postgres, the broker and Europeana's API answer."""

from importlib.util import find_spec

from sqlalchemy import Engine, text

from common.errors import EnrichmentError, UnreachableError
from common.process.settings import ApiSettings, BrokerSettings
from common.process.settings.base import wrong_values
from common.store.session import open_store
from common.store.tables.jobs import ALIVE_SECONDS
from enrichment.checks.finding import Finding, Findings, not_checked, ok, problem, tried, warning

_SIZE = text("SELECT pg_database_size(current_database())")
_CONNECTIONS = text("""
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
""")
_DEVICES = text("""
    SELECT device, count(*) FROM worker_process
    WHERE seen_at > now() - make_interval(secs => :seconds) GROUP BY device ORDER BY device
""")
_IN_FLOAT32 = text("""
    SELECT DISTINCT jsonb_array_elements_text(in_float32) AS title FROM worker_process
    WHERE seen_at > now() - make_interval(secs => :seconds) ORDER BY title
""")
_MISSING = text("""
    SELECT name, problem ->> 'what' AS what
    FROM worker_process CROSS JOIN jsonb_array_elements(problems) AS problem
    WHERE seen_at > now() - make_interval(secs => :seconds) ORDER BY name, what
""")
_FULL = 0.8  # of the connections, from which on someone should know


def reached_store() -> tuple[Engine | None, Finding]:
    try:
        engine = open_store()
    except EnrichmentError as error:
        advice = "The message says what to do; the setting is DATABASE_URL."
        return None, problem("database", "reached and prepared", str(error), advice)
    return engine, ok("database", "reached and prepared", "yes")


def check_store(engine: Engine) -> Findings:
    with engine.connect() as connection:
        size: int = connection.execute(_SIZE).scalar_one()
        taken, most = connection.execute(_CONNECTIONS).one()
    yield ok("database", "size", f"{size / 1e9:,.2f} GB")
    found = f"{taken:,} of {most:,} taken"
    if taken < _FULL * most:
        yield ok("database", "connections", found)
    else:
        advice = "Raise max_connections, or run fewer workers: docs/how-to/connections.md."
        yield warning("database", "connections", found, advice)


def check_workers(engine: Engine) -> Findings:
    alive = {"seconds": ALIVE_SECONDS}
    with engine.connect() as connection:
        devices = connection.execute(_DEVICES, alive).all()
        in_float32 = connection.execute(_IN_FLOAT32, alive).scalars().all()
        missing = connection.execute(_MISSING, alive).all()
    on = [f"{count:,} on {device or 'an unknown device'}" for device, count in devices]
    yield ok("workers", "alive", ", ".join(on) or "none")
    if missing:
        found = "; ".join(f"{name}: {what}" for name, what in missing)
        advice = (
            "The text of each worker says what to do. The name of a worker has its host "
            "and its process number."
        )
        yield warning("workers", "what they lack", found, advice)
    if in_float32:
        advice = (
            "The results are right, but slower. The reason is in the worker's log: "
            "search for float16 refused"
        )
        found = f"refused, so float32 is used: {', '.join(in_float32)}"
        yield warning("workers", "float16", found, advice)


def check_broker_answers() -> Finding:
    if find_spec("celery") is None:
        advice = "If workers run on this machine, install Celery: pip install '.[worker]'"
        return warning("broker", "reached", "Celery is not installed here", advice)
    advice = "Start the broker, or correct BROKER_URL. Jobs do not need it."
    return tried("broker", "reached", _ask_broker, advice)


def _ask_broker() -> str:
    from common.broker import check_broker

    check_broker(BrokerSettings.read())
    return "yes"


def check_api() -> Finding:
    subject, what = "Europeana", "key accepted"
    if wrong := wrong_values(ApiSettings):
        return not_checked(subject, what, wrong)
    try:
        return ok(subject, what, _ask_api())
    except UnreachableError as error:  # whatever the key is
        advice = (
            "Check the network of this machine (DNS, proxy, firewall), or correct "
            "EUROPEANA_API_URL."
        )
        return problem(subject, what, str(error), advice)
    except EnrichmentError as error:
        advice = (
            "Correct EUROPEANA_API_KEY or EUROPEANA_API_URL. Get a key at https://apis.europeana.eu"
        )
        return problem(subject, what, str(error), advice)


def _ask_api() -> str:
    from common.europeana.api import EuropeanaApi, SearchQuery

    settings = ApiSettings.read()
    with EuropeanaApi(settings) as api:
        total = api.search_page(SearchQuery(), rows=1).total
    return f"yes; {settings.europeana_api_url} has {total:,} records"
