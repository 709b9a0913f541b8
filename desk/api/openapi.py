"""The OpenAPI 3.1 document, made from the declarations of routes and their types."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from common.process.terminal.json_output import adapter
from desk.api.declaring import JSON, Endpoint
from desk.api.problems import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{model}"
_TYPES = {"uuid": {"type": "string", "format": "uuid"}, "int": {"type": "integer"}}
_SECURITY = [{"bearer": list[str]()}, {"basic": list[str]()}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `desk tokens add`."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The token is the password. The user name may be anything.",
    },
}
_INFO = {
    "title": "Europeana image enrichment",
    "version": "1",
    "description": "Submit records, follow jobs, read enrichments, and ask what pictures show.",
}
ANSWER: JsonSchemaMode = "serialization"
BODY: JsonSchemaMode = "validation"


def document(routes: Sequence[Endpoint]) -> dict[str, Any]:
    """The document of these routes. It names no server but the path that it is served below."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path_format, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/v1"}],
        "security": _SECURITY,
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


def _schemas(routes: Sequence[Endpoint]) -> tuple[Mapping[Any, Any], dict[str, Any]]:
    """The schema of each type by its use, and the named ones that these refer to."""
    answers = {
        kind
        for route in routes
        for kind in (*route.answers.values(), *route.also.values())
        if kind is not None
    }
    bodies = {body.kind for route in routes for body in route.bodies}
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((str(kind), ANSWER, adapter(kind)) for kind in sorted(answers | {Problem}, key=str)),
        *((str(kind), BODY, adapter(kind)) for kind in sorted(bodies, key=str)),
    ]
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return found, definitions.get("$defs", {})


def _operation(route: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    summary, _, description = cleandoc(route.view.__doc__ or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.view.__name__,
        "summary": summary,
        "description": " ".join(f"{description} {_needed(route)}".split()),
        "parameters": [*_in_path(route), *_in_query(route.query), *_in_headers(route)],
        "responses": _successes(route, schemas) | _problems(route, schemas),
    }
    if route.role is None:
        operation["security"] = []
    if route.bodies:
        content = {body.media: {"schema": schemas[str(body.kind), BODY]} for body in route.bodies}
        operation["requestBody"] = {"required": route.needs_body, "content": content}
    return operation


def _needed(route: Endpoint) -> str:
    return f"Needs the role {route.role}." if route.role else "Needs no token."


def _in_path(route: Endpoint) -> list[dict[str, Any]]:
    kinds = {name: type(each).__name__ for name, each in route.param_convertors.items()}
    known = {"UUIDConvertor": _TYPES["uuid"], "IntegerConvertor": _TYPES["int"]}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": known.get(kind, {"type": "string", "minLength": 1}),
        }
        for name, kind in kinds.items()
    ]


def _in_query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    needed = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "description": each.pop("description", ""),
            "schema": _resolved(each, definitions),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _in_headers(route: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "description": what, "schema": {"type": "string"}}
        for name, what in route.headers.items()
    ]


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with the definitions that it refers to; they are few and small. An address cannot
    say null, so a parameter that may be left out has no such type."""
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    kept = {name: value for name, value in schema.items() if name != "default" or value is not None}
    return {name: _resolved(value, definitions) for name, value in kept.items()}


def _successes(route: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in route.answers.items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            kinds = {JSON: kind, **route.also}
            answer["content"] = {
                media: {"schema": schemas[str(each), ANSWER]} for media, each in kinds.items()
            }
        found[str(status)] = answer
    return found


def _problems(route: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    statuses = [400, 422, 503]
    if route.role is not None:
        statuses += [401, 403, 429]
    if route.param_convertors or "model" in route.query.model_fields:
        statuses.append(404)
    if route.conflicts:
        statuses.append(409)
    if route.bodies:
        statuses += [413, 415]
    content = {MEDIA_TYPE: {"schema": schemas[str(Problem), ANSWER]}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(statuses)
    }
