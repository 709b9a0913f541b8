"""Models in service: which model serves all records, and which those of a data provider.

A provider's model goes before the one for all, and is on the same encoder, so that one look at a
picture serves both. The model for all has the stage active. All changes are made one after another.

A model is *serving* if a row of `service` is open for it, *retired* if someone retired it, and
*not serving* otherwise.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, func, select, text, update

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.signals import AdvisoryLock
from common.store.tables import ModelStage, PromotedModel
from common.store.tables.harvested import of_provider

STANDING = """
    CASE WHEN EXISTS (SELECT FROM service WHERE service.model_id = model.id AND ended_at IS NULL)
         THEN 'serving' WHEN model.retired_at IS NOT NULL THEN 'retired' ELSE 'not serving' END
"""
"""What lists say of a row of `model`, in SQL."""


@dataclass(frozen=True, kw_only=True)
class ServingModel:
    """A model in service: for all records, or for those of a data provider."""

    model_id: int
    title: str
    data_provider: str | None
    began_at: datetime


_STANDING = text("""
    SELECT service.model_id, model.name, model.version, service.data_provider, service.began_at
    FROM service JOIN model ON model.id = service.model_id
    WHERE service.ended_at IS NULL ORDER BY service.data_provider COLLATE "C" NULLS FIRST
""")
_END = text("""
    UPDATE service SET ended_at = now()
    WHERE ended_at IS NULL AND data_provider IS NOT DISTINCT FROM CAST(:data_provider AS text)
""")
_BEGIN = text("""
    INSERT INTO service (data_provider, model_id, began_by)
    VALUES (CAST(:data_provider AS text), :model_id, :began_by)
""")
_SERVES = text("""
    SELECT 1 FROM service WHERE ended_at IS NULL AND model_id = :model_id
       AND data_provider IS NOT DISTINCT FROM CAST(:data_provider AS text)
""")
_BEFORE = text("""
    SELECT model_id FROM service JOIN model ON model.id = model_id AND model.retired_at IS NULL
    WHERE ended_at IS NOT NULL AND data_provider IS NOT DISTINCT FROM CAST(:data_provider AS text)
      AND model_id IS DISTINCT FROM (
          SELECT model_id FROM service WHERE ended_at IS NULL
             AND data_provider IS NOT DISTINCT FROM CAST(:data_provider AS text))
    ORDER BY ended_at DESC, service.id DESC LIMIT 1
""")
_ON_OTHER_ENCODERS = text("""
    UPDATE service SET ended_at = now() FROM model
    WHERE model.id = service.model_id AND service.ended_at IS NULL
      AND service.data_provider IS NOT NULL
      AND model.encoder_id IS DISTINCT FROM (SELECT encoder_id FROM model WHERE id = :model_id)
    RETURNING service.data_provider
""")
_END_ALL_OF = text("""
    UPDATE service SET ended_at = now() WHERE ended_at IS NULL AND model_id = :model_id
""")


def lock_models(connection: Connection) -> None:
    """Let others who change models or services wait until this transaction ends."""
    connection.execute(text(AdvisoryLock.MODELS.take))


def models_in_service(connection: Connection) -> list[ServingModel]:
    """The model for all first, then those of data providers by name."""
    return [
        ServingModel(
            model_id=row.model_id,
            title=ModelName(row.name, row.version).title,
            data_provider=row.data_provider,
            began_at=row.began_at,
        )
        for row in connection.execute(_STANDING)
    ]


def serving(connection: Connection, data_provider: str | None) -> ServingModel | None:
    """The model in service for all records, or a data provider's own; None if there is none."""
    found = models_in_service(connection)
    return next((each for each in found if each.data_provider == data_provider), None)


def begin_service(
    connection: Connection,
    model_id: int,
    *,
    data_provider: str | None = None,
    began_by: int | None = None,
) -> list[str]:
    """Put a model in service for all records, or for a data provider's, in place of the present.

    A retired model is none afterwards; its certificates stay withdrawn.

    Returns:
        The data providers whose own models were taken out, since the model for all is now on
        another encoder than these.

    Raises:
        UsageError: the store has no record of the data provider, or the model is not on the encoder
            of the model for all.
    """
    lock_models(connection)
    asked = {"model_id": model_id, "data_provider": data_provider, "began_by": began_by}
    if data_provider is None:
        _end_active(connection, but=model_id)  # at most one is active at any moment
        _change(connection, model_id, stage=ModelStage.ACTIVE, retired_at=None)
    else:
        _check_provider(connection, model_id, data_provider)
        _change(connection, model_id, retired_at=None)
    if connection.execute(_SERVES, asked).first() is None:
        connection.execute(_END, asked)
        connection.execute(_BEGIN, asked)
    if data_provider is not None:
        return []
    return sorted(connection.execute(_ON_OTHER_ENCODERS, asked).scalars())


def end_service(connection: Connection, *, data_provider: str | None = None) -> bool:
    """Take the model out of service that serves all, or a data provider.

    Returns:
        Whether there was one.
    """
    lock_models(connection)
    if data_provider is None:
        _end_active(connection)
    return bool(connection.execute(_END, {"data_provider": data_provider}).rowcount)


def retire(connection: Connection, model_id: int) -> None:
    """Take a model out of service wherever it serves; `go_back` passes over it."""
    lock_models(connection)
    connection.execute(_END_ALL_OF, {"model_id": model_id})
    since = func.coalesce(PromotedModel.retired_at, func.now())
    _change(connection, model_id, stage=ModelStage.RETIRED, retired_at=since)


def served_before(connection: Connection, data_provider: str | None) -> int | None:
    """The number of the model to which `go_back` goes, which is not retired; None if none."""
    found: int | None = connection.scalar(_BEFORE, {"data_provider": data_provider})
    return found


def go_back(
    connection: Connection,
    *,
    data_provider: str | None = None,
    began_by: int | None = None,
    instead_of: int | None = None,
) -> ServingModel | None:
    """Put the model in service again that served before; going back again undoes it.

    Args:
        instead_of: the number of the model that is to go. If it serves no longer, someone else was
            faster, and going back would bring it back.

    Returns:
        The model that serves now. None where the data provider had no model of its own before: then
        the one for all serves it again.

    Raises:
        UsageError: no other model served before, it is on another encoder than the one for all, or
            another one serves than the one that is to go.
    """
    lock_models(connection)
    present = serving(connection, data_provider)
    if instead_of is not None and (present is None or present.model_id != instead_of):
        raise UsageError(
            "The models in service have already changed, so nothing was done. See which "
            "model serves now, and try again if this is still necessary."
        )
    before = served_before(connection, data_provider)
    if before is not None:
        begin_service(connection, before, data_provider=data_provider, began_by=began_by)
    elif data_provider is None or not end_service(connection, data_provider=data_provider):
        whom = "all records" if data_provider is None else data_provider
        raise UsageError(
            f"No other model served {whom} before, so you cannot go back to an earlier model."
        )
    return serving(connection, data_provider)


def _change(connection: Connection, model_id: int, **columns: object) -> None:
    chosen = update(PromotedModel).where(PromotedModel.id == model_id)
    connection.execute(chosen.values(columns))


def _end_active(connection: Connection, *, but: int | None = None) -> None:
    active = (PromotedModel.stage == ModelStage.ACTIVE, PromotedModel.id.is_distinct_from(but))
    connection.execute(update(PromotedModel).where(*active).values(stage=ModelStage.CANDIDATE))


def _check_provider(connection: Connection, model_id: int, data_provider: str) -> None:
    known = text(f"SELECT 1 FROM record WHERE {of_provider(':name')} LIMIT 1")
    if connection.execute(known, {"name": data_provider}).first() is None:
        raise UsageError(f"The store has no record of data provider {data_provider!r}.")
    of_all = PromotedModel.stage == ModelStage.ACTIVE
    main, chosen = _model(connection, of_all), _model(connection, PromotedModel.id == model_id)
    if main is None:
        raise UsageError(
            "No model serves all records. First put a model in service: trainer models "
            "activate MODEL"
        )
    assert chosen is not None  # its number is known
    if main.encoder_id is None or main.encoder_id != chosen.encoder_id:
        raise UsageError(
            f"{ModelName(chosen.name, chosen.version).title} cannot serve {data_provider}: its "
            f"encoder is not that of {ModelName(main.name, main.version).title}, which serves all "
            "other providers. The models of a job must share an encoder, because a job looks "
            "at each picture once."
        )


def _model(
    connection: Connection, condition: ColumnElement[bool]
) -> Row[str, int, int | None] | None:
    columns = (PromotedModel.name, PromotedModel.version, PromotedModel.encoder_id)
    return connection.execute(select(*columns).where(condition)).one_or_none()
