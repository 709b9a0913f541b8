"""Schemathesis sends what the OpenAPI document allows, and what it does not, with each role."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from common.store.tables import Role
from desk.api.api import API_ROUTES
from desk.api.declaring import Endpoint
from desk.api.openapi import document
from tests.desk.api.annif.drawn_model import drawn_model
from tests.desk.api.conftest import Program, token
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk
from tests.desk.test_roles import EVERYTHING

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STATES = "SELECT id, state, request_sha256 FROM job ORDER BY id"
REFUSED_EARLIER = {401, 404, 405}  # a header that is no token, or another address
FRAMING = ("Transfer-Encoding", "Content-Length", "Connection", "Upgrade", "Expect", "Host")
IS_KNOWN = st.booleans()


def may(role: Role, route: Endpoint) -> bool:
    return route.role is None or list(Role).index(role) >= list(Role).index(route.role)


def modes(route: Endpoint) -> list[GenerationMode]:
    """Right and wrong requests; a route that takes nothing has no wrong ones."""
    takes = route.param_convertors or route.bodies or route.query.model_fields
    return list(GenerationMode) if takes else [GenerationMode.POSITIVE]


def ask_all(museum: Museum, program: Program, role: Role, examples: int) -> None:
    schema = schemathesis.openapi.from_dict(document(API_ROUTES))
    routes = {(route.method, route.path_format): route for route in API_ROUTES}
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        key = (operation.method.upper(), operation.path)
        asked.add(key)
        for mode in modes(routes[key]):
            _ask(museum, program, operation, mode, may(role, routes[key]), examples)
    assert asked == routes.keys()


def _ask(
    museum: Museum,
    program: Program,
    operation: Any,
    mode: GenerationMode,
    is_allowed: bool,
    examples: int,
) -> None:
    job: UUID = museum.the_job  # type: ignore[attr-defined]
    known = {"job": str(job), "model": "drawn"}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=IS_KNOWN)
    def ask(case: schemathesis.Case, is_known: bool) -> None:
        if is_known:
            case.path_parameters |= {
                name: value for name, value in known.items() if name in case.path_parameters
            }
        for name in FRAMING:  # the server reads these before the API does
            case.headers.pop(name, None)
        answer = case.call(
            base_url=program.url, headers={"Authorization": f"Bearer {program.token}"}
        )
        case.validate_response(answer, checks=CHECKS)
        if not is_allowed:
            assert answer.status_code in {403, *REFUSED_EARLIER}, answer.text

    ask()


def check_role(
    museum: Museum, desk: ServedDesk, folder: Path, role: Role, *, examples: int
) -> None:
    drawn_model(museum, folder)
    program = Program(desk, token(museum, "fuzz", role, per_minute=1_000_000))
    before = museum.rows(EVERYTHING), museum.rows(STATES)
    ask_all(museum, program, role, examples)
    if role is not Role.OPERATOR:
        assert (museum.rows(EVERYTHING), museum.rows(STATES)) == before


@pytest.mark.parametrize("role", Role)
def test_no_answer_breaks_the_contract(
    filled: Museum, desk: ServedDesk, tmp_path: Path, role: Role
) -> None:
    check_role(filled, desk, tmp_path, role, examples=8)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", Role)
def test_no_answer_of_many_breaks_the_contract(
    filled: Museum, desk: ServedDesk, tmp_path: Path, role: Role
) -> None:
    check_role(filled, desk, tmp_path, role, examples=100)
