"""Which model serves: put one in service, or the one before again. This module loads no torch.

Files are checked here. Workers test what a model says when they load it.
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
    """A model that was put in service; `taken_out` as for `Promoted`.

    `before` is the title of the model that served there until then; None if none did.
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
    """Put a model in service after checking its files: for all, or for a data provider.

    Args:
        began_by: the number of the desk's account that does it; None for a command.

    Raises:
        UsageError: there is no such model or data provider, or the model is not on the encoder of
            the model for all.
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
    """The titles of the models that serve now and served before; None for none of its own."""

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
    """Put the model in service again that served before, after checking its files.

    Args:
        data_provider: whose records it serves; None for all.
        began_by: the number of the desk's account that does it; None for a command.
        instead_of: the number of the model that is to go; None for the one that serves now.

    Raises:
        UsageError: no other model served before, it is on another encoder than the one for all, or
            another one serves than the one that is to go.
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
