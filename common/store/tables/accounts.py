"""The users of the desk: accounts, their sessions and tokens, logins that were tried, and actions.

An account that is forgotten keeps its number, which verdicts and actions have, and loses its name.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    event,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.store.tables.base import Base, one_of


class Role(StrEnum):
    """What an account may do; each role may do what those before it may."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


class DeskUser(Base):
    """An account; `ended_at` is when it was ended, and from then on no login succeeds.

    `password` is a hash; an account of an identity provider has none, but a `subject` there.
    """

    __tablename__ = "desk_user"
    __table_args__ = (
        one_of("role", *Role),
        CheckConstraint("name IS NOT NULL OR ended_at IS NOT NULL", name="nameless_has_ended"),
        CheckConstraint(
            "name IS NOT NULL OR (password IS NULL AND subject IS NULL)", name="forgotten_is_whole"
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str | None] = mapped_column(unique=True)
    role: Mapped[str]
    password: Mapped[str | None]
    subject: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class DeskSession(Base):
    """A login of an account, until `ends_at`; only the browser has the token.

    `csrf` is the word that each form must bring back.
    """

    __tablename__ = "desk_session"
    __table_args__ = (CheckConstraint("length(token_sha256) = 32", name="token_sha256_form"),)

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("desk_user.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime]


class ApiToken(Base):
    """The token of an account that is a program: it has no password, and only calls the HTTP API.

    A request counts in the minute of the database in which it comes; `requests` is the number of
    those in the minute of the last one, at most `per_minute` are answered.
    """

    __tablename__ = "api_token"
    __table_args__ = (
        CheckConstraint("length(token_sha256) = 32", name="token_sha256_form"),
        CheckConstraint("per_minute > 0", name="per_minute_positive"),
    )

    user_id: Mapped[int] = mapped_column(
        ForeignKey("desk_user.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime | None]
    per_minute: Mapped[int]
    minute: Mapped[datetime | None]
    requests: Mapped[int] = mapped_column(server_default=text("0"))


class LoginAttempt(Base):
    """A login that failed: with which name, or from which address (`subject`)."""

    __tablename__ = "login_attempt"
    __table_args__ = (Index("ix_login_attempt_subject", "subject", "at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    subject: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Action(Base):
    """Something that someone did at the desk; rows are added, and never changed or removed."""

    __tablename__ = "desk_action"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    user_id: Mapped[int] = mapped_column(ForeignKey("desk_user.id"))
    what: Mapped[str]
    about: Mapped[dict[str, Any]]


KEEP_ACTIONS = (
    """
CREATE FUNCTION keep_actions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'actions of the desk are kept as they were logged';
END $$
""",
    """
CREATE TRIGGER actions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON desk_action
FOR EACH STATEMENT EXECUTE FUNCTION keep_actions()
""",
)
for _statement in KEEP_ACTIONS:
    event.listen(Base.metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
