"""What was refused: messages of the broker that are not of our form."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base


class RefusedMessage(Base):
    """A refused body, for one problem, however often it came; see common/store/refused_messages.

    `sha256` and `size` are those of the body; `headers` is a JSON object of those that are kept.
    """

    __tablename__ = "refused_message"
    __table_args__ = (
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_form"),
        CheckConstraint("times > 0", name="times_positive"),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    problem: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str]
    headers: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
