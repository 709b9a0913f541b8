"""What all tables of the store have in common."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    MetaData,
    Table,
    Text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RECORD_ID_PATTERN = "^/[A-Za-z0-9_]+/[A-Za-z0-9_]+$"


def one_of(column: str, *values: str) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


class Base(DeclarativeBase):
    __table__: ClassVar[Table]
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict
        datetime: DateTime(timezone=True),
        str: Text,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class SchemaCompatibility(Base):
    """The one row that says whom the schema serves: programs from migration `serves_from` on.

    A program that is older than the schema asks it; see `check_schema` in `session`.
    """

    __tablename__ = "schema_compatibility"
    __table_args__ = (
        CheckConstraint("only_row", name="one_row"),
        CheckConstraint("serves_from ~ '^[0-9]{4}$'", name="serves_from_form"),
    )

    only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    serves_from: Mapped[str]
