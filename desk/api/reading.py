"""What a request brings: the token, the parameters of the address, and the body."""

import base64
import binascii
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, ImmutableMultiDict, UploadFile
from starlette.requests import Request

from common.process.terminal.json_output import adapter
from desk.api.declaring import FORM, MULTIPART, Body, Endpoint
from desk.api.problems import StatusError, told_mistakes
from desk.web.door import Bounded, read_form

IN_MEMORY = 1 << 20  # bytes of a file; the rest is on the disk
MOST_FIELDS, MOST_FILES = 1_000, 4
_NO_TEXT = b"\\u0000"  # the null character in JSON: Postgres cannot store it


def token_in(headers: Headers) -> str | None:
    """The token after `Bearer`, or the password of HTTP Basic, with any user name."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return None
    try:
        user_and_password = base64.b64decode(given.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return user_and_password.partition(":")[2]


def read_query(request: Request, model: type[BaseModel]) -> BaseModel:
    """The parameters of the address.

    Raises:
        StatusError: 422; the message names the parameters.
    """
    return _validated(model, request.query_params)


@asynccontextmanager
async def read_body(request: Request, route: Endpoint) -> AsyncIterator[tuple[str, Any]]:
    """The media type of the body and its value, which the route declares; a file until the end.

    Raises:
        StatusError: the body is missing, too large, malformed, or of another type.
        ClientDisconnect: the caller disconnected.
    """
    declared = _declared(request, route)
    if declared is None:
        yield "", None
    elif declared.is_file:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            async for piece in _bounded(request, route.most).stream():
                await run_in_threadpool(file.write, piece)
            file.seek(0)
            yield declared.media, file
    elif declared.media in (FORM, MULTIPART):
        yield declared.media, await _form(request, route, declared)
    else:
        content = await _bounded(request, route.most).body()
        yield declared.media, await run_in_threadpool(_json, content, declared.kind)


def _declared(request: Request, route: Endpoint) -> Body | None:
    headers = request.headers
    is_empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    if not route.bodies or (is_empty and not route.needs_body):
        return None
    sent = headers.get("content-type", "").partition(";")[0].strip().lower()
    for body in route.bodies:
        if body.media == sent:
            return body
    known = ", ".join(body.media for body in route.bodies)
    raise StatusError(415, f"Send the body as one of these media types: {known}.")


def _bounded(request: Request, most: int) -> Bounded:
    bounded = Bounded(request, most)
    bounded.check(int(request.headers.get("content-length", "0")))
    return bounded


async def _form(request: Request, route: Endpoint, declared: Body) -> BaseModel:
    form = await read_form(
        request,
        most=route.most,
        most_fields=MOST_FIELDS,
        most_files=MOST_FILES,
        longest=route.most,
    )
    try:
        fields = [
            (name, await value.read() if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ]
    finally:
        await form.close()
    return _validated(declared.kind, ImmutableMultiDict(fields))


def _json(content: bytes, kind: Any) -> Any:
    if _NO_TEXT in content:
        raise StatusError(400, "The body contains a null character, which is not allowed.")
    try:
        return adapter(kind).validate_json(content)
    except ValidationError as error:
        is_malformed = error.errors()[0]["type"] == "json_invalid"
        raise StatusError(400 if is_malformed else 422, told_mistakes(error)) from None


def _validated(model: type[BaseModel], given: ImmutableMultiDict[str, Any]) -> BaseModel:
    values: dict[str, Any] = {}
    for name in given:
        field = model.model_fields.get(name)
        is_list = field is not None and get_origin(field.annotation) is list
        values[name] = given.getlist(name) if is_list else given[name]
    if any("\0" in each for pair in given.multi_items() for each in pair if isinstance(each, str)):
        raise StatusError(
            400, "A parameter or field contains a null character, which is not allowed."
        )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise StatusError(422, told_mistakes(error)) from None
