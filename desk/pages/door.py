"""The door."""

from sqlalchemy import Engine, text
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from common.store.tables import Role
from desk.access.sessions import LoggedIn

_LOCAL = text("""
    INSERT INTO desk_user (name, role) VALUES ('(local)', 'operator')
    ON CONFLICT (name) DO UPDATE SET role = 'operator' RETURNING id
""")


class Door:
    def __init__(self, engine: Engine) -> None:
        self.has_accounts = False
        with engine.begin() as connection:
            self._local = connection.execute(_LOCAL).scalar_one()

    def who(self, request: Request) -> LoggedIn | None:
        return LoggedIn(number=self._local, name="(local)", role=Role.OPERATOR, csrf="x")

    def to_login(self, request: Request) -> Response:
        return RedirectResponse("/login", status_code=303)

    def check_deed(self, request: Request, form: FormData, user: LoggedIn) -> None:
        pass
