"""Whether the models in service can be loaded where this runs, and what computes them."""

from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import Engine, Row, text

from common.errors import ModelError
from common.process.settings import ModelSettings
from enrichment.checks.finding import Finding, Findings, ok, problem, warning

_PROMOTE = "Next: trainer promote EXPERIMENT --activate, or: trainer models activate MODEL"
_COPY = "Set MODEL_DIR to the workers' folder, or promote the model again."


_SERVING = text("""
    SELECT service.data_provider, model.name || ' v' || model.version AS title, model.path,
           model.sha256
    FROM service JOIN model ON model.id = service.model_id
    WHERE service.ended_at IS NULL ORDER BY service.data_provider COLLATE "C" NULLS FIRST
""")


def check_models(engine: Engine) -> Findings:
    with engine.connect() as connection:
        serving = connection.execute(_SERVING).all()
    if not any(model.data_provider is None for model in serving):
        yield warning("models", "in service for all", "none, so no job is accepted", _PROMOTE)
    yield from map(_check_files, serving)
    yield _computing()


def _check_files(model: Row[tuple[str | None, str, str, str]]) -> Finding:
    """Whether the files of a model are there; their sums are checked when a worker loads them."""
    from common.vision.bundle import read_description
    from common.vision.encoders.description import missing_files

    what = f"in service for {model.data_provider or 'all'}"
    model_dir = ModelSettings.read().model_dir
    try:
        description = read_description(model_dir / model.path, model.sha256)
        missing = missing_files(model_dir, model.path, description)
    except ModelError as error:
        return problem("models", what, f"{model.title}: {error}", _COPY)
    if missing:
        found = f"{model.title}: {', '.join(map(str, missing))} missing"
        return problem("models", what, found, _COPY)
    return ok("models", what, f"{model.title}, its files are there")


def _computing() -> Finding:
    try:
        return ok("models", "computing", f"torch {version('torch')} is installed")
    except PackageNotFoundError:
        advice = "If workers run on this machine, install PyTorch: pip install '.[worker]'"
        return warning("models", "computing", "torch is not installed here", advice)
