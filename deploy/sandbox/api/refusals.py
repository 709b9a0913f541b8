"""Errors in the form of the APIs: a status and `{"success": false, "error": ..., "code": ...}`."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web


class RequestRefusedError(Exception):
    """A request that the API refuses; `report` is what a refused batch of annotations has."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        code: str | None = None,
        message: str | None = None,
        report: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.code = code
        self.message = message
        self.report = report
        self.headers = headers

    def response(self, key: str | None = None) -> web.Response:
        """The answer to the caller; a known key is echoed."""
        body = {
            "apikey": key,
            "success": False,
            "error": self.error,
            "message": self.message,
            "code": self.code,
            "operationReport": self.report,
        }
        present = {name: value for name, value in body.items() if value is not None}
        return web.json_response(present, status=self.status, headers=self.headers)
