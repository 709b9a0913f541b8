"""Names of models, as users type them and as tables show them."""

import re
from dataclasses import dataclass
from typing import Self

from sqlalchemy import ColumnElement, and_

from common.errors import UsageError
from common.store.tables import PromotedModel

_PATTERN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)(?:(?:@v?| v)(?P<version>[0-9]{1,9}))?")


@dataclass(frozen=True)
class ModelName:
    """NAME@VERSION, or NAME alone; as text NAME@VERSION."""

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
            raise UsageError(f"{text!r} is not the name of a model; expected NAME or NAME@VERSION.")
        return cls(match["name"], int(match["version"]) if match["version"] else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @property
    def title(self) -> str:
        """As workers, exports and tables show it, such as `pilot v2`."""
        return self.name if self.version is None else f"{self.name} v{self.version}"

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which rows of the models it means: one, or all versions of a name."""
        same_name = PromotedModel.name == self.name
        return (
            same_name
            if self.version is None
            else and_(same_name, PromotedModel.version == self.version)
        )
