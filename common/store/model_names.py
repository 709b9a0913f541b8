"""Names of models, as users type them and as tables show them, and which version a name means."""

import re
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import ColumnElement, Connection, and_, select

from common.errors import UsageError
from common.store.tables import ModelService, ModelStage, PromotedModel

_PATTERN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)(?:(?:@v?| v)(?P<version>[0-9]{1,9}))?")


@dataclass(frozen=True)
class ModelName:
    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The model name in NAME, NAME@VERSION, NAME@vVERSION or `NAME vVERSION`.

        Raises:
            UsageError: the text has another form.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is not the name of a model. Write NAME or NAME@VERSION.")
        return cls(match["name"], int(match["version"]) if match["version"] else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def title(self) -> str:
        """As workers, exports and tables show it, such as `pilot v2`."""
        return self.name if self.version is None else f"{self.name} v{self.version}"

    @property
    def condition(self) -> ColumnElement[bool]:
        same_name = PromotedModel.name == self.name
        return (
            same_name
            if self.version is None
            else and_(same_name, PromotedModel.version == self.version)
        )


def version_meant(connection: Connection, wanted: ModelName) -> ModelName:
    """The version that a name alone means: the one in service, or else the only one.

    Of several in service, it is the one for all records. The newest one is no safe guess: a refit
    that turned out worse is newer than the model that serves. A name with a version stays as it is,
    and so does one that no model has.

    Raises:
        UsageError: nothing says which of several versions is meant; the message names them.
    """
    if wanted.version is not None:
        return wanted
    serves = select(ModelService.model_id).where(ModelService.ended_at.is_(None))
    found = connection.execute(
        select(
            PromotedModel.version,
            (PromotedModel.stage == ModelStage.ACTIVE).label("serves_all"),
            PromotedModel.id.in_(serves).label("serves"),
        )
        .where(wanted.condition)
        .order_by(PromotedModel.version)
    ).all()
    for some in (
        [each.version for each in found if each.serves_all],
        [each.version for each in found if each.serves],
        [each.version for each in found],
    ):
        if len(some) == 1:
            return replace(wanted, version=some[0])
    if not found:
        return wanted
    versions = ", ".join(str(replace(wanted, version=each.version)) for each in found)
    serve = "more than one" if any(each.serves for each in found) else "none"
    raise UsageError(
        f"{wanted.name} has {len(found)} versions, and {serve} of them is in service. Give "
        f"the version that you mean: {versions}"
    )
