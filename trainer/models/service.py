"""Put a model in service, or return to the one before. This module loads no torch.

Files are checked here. Workers run the model's self-test when they load it.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from common.errors import ModelError
from common.store import in_service
from common.store.in_service import serving
from trainer.models.catalogue import check_files, describe, find_model
from trainer.models.store import StoredModel, activate_model, stored_models


@dataclass(frozen=True, kw_only=True)
class Activated:
    """A model that was put in service; `taken_out` is as for `Promoted`.

    `before` is the title of the model that served there until then, or None.
    """

    model: StoredModel
    taken_out: tuple[str, ...]
    before: str | None


def activate(
    engine: Engine,
    model_dir: Path,
    reference: str,
    *,
    data_provider: str | None = None,
    began_by: int | None = None,
) -> Activated:
    """Check the files of a model, and put it in service: for all, or for a data provider.

    Args:
        began_by: the number of the desk's account that does it; None for a command.

    Raises:
        UsageError: there is no such model or data provider, or the model for all is on another
            encoder.
        ModelError: its files are missing or were changed; nothing changes then.
    """
    model = find_model(engine, reference)
    _check_files(model, model_dir)
    with engine.connect() as connection:
        before = serving(connection, data_provider)
    taken_out = activate_model(engine, model.id, data_provider=data_provider, began_by=began_by)
    return Activated(
        model=model, taken_out=tuple(taken_out), before=before.title if before else None
    )


@dataclass(frozen=True, kw_only=True)
class WentBack:
    """The titles of the models that serve now and served before; None if a provider had no own
    model.
    """

    before: str | None
    now: str | None


def go_back(
    engine: Engine,
    model_dir: Path,
    *,
    data_provider: str | None,
    began_by: int | None = None,
    instead_of: int | None = None,
) -> WentBack:
    """Check the files of the model that served before, and put it in service again.

    Args:
        data_provider: the provider whose records it serves; None for all.
        began_by: the number of the desk's account that does it; None for a command.
        instead_of: the number of the model to replace; None for the one that serves now.

    Raises:
        UsageError: no other model served before, it is on another encoder than the one for all, or
            `instead_of` does not serve now.
        ModelError: its files are missing or were changed; nothing changes then.
    """
    with engine.connect() as connection:
        before = serving(connection, data_provider)
        wanted = in_service.served_before(connection, data_provider)
    if instead_of is None and before is not None:
        instead_of = before.model_id
    if wanted is not None:
        stored = next(each for each in stored_models(engine) if each.id == wanted)
        _check_files(stored, model_dir)
    with engine.begin() as connection:
        now = in_service.go_back(
            connection, data_provider=data_provider, began_by=began_by, instead_of=instead_of
        )
    return WentBack(before=before.title if before else None, now=now.title if now else None)


def _check_files(model: StoredModel, model_dir: Path) -> None:
    if problem := check_files(describe(model, model_dir), model_dir):
        raise ModelError(f"{model.title} cannot serve: {problem} Nothing was changed.")
