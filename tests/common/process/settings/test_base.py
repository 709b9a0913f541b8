"""Several classes are read at once, and each setting says where its value comes from."""

from typing import get_args

import pytest
from annotated_types import Ge, Le

from common.errors import UsageError
from common.process.settings import ApiSettings, StoreSettings, read_together
from common.process.settings.base import is_secret, origins
from common.process.settings.every import EVERY, every_field


def test_what_several_classes_miss_is_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"(?s)DATABASE_URL is.*EUROPEANA_API_KEY is"):
        read_together(StoreSettings, ApiSettings)


def test_each_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
    places = {origin.setting: (origin.place, origin.is_secret) for origin in origins(ApiSettings)}
    assert places == {
        "EUROPEANA_API_URL": ("default", False),
        "EUROPEANA_API_KEY": ("environment", True),
    }


def test_every_number_has_a_least_and_a_most() -> None:
    """So that a slip of the finger neither spins a thread nor lets it wait for ever."""
    kinds = (int, float)
    numbers = {
        name: {type(each) for each in field.metadata}
        for name, field in every_field().items()
        if any(kind in (field.annotation, *get_args(field.annotation)) for kind in kinds)
    }
    assert len(numbers) > 10
    assert {name for name, bounds in numbers.items() if not {Ge, Le} <= bounds} == set()


def test_every_setting_has_one_meaning_and_a_text() -> None:
    for name, field in every_field().items():
        assert field.description, name
        others = [each.model_fields[name] for each in EVERY if name in each.model_fields]
        assert {other.description for other in others} == {field.description}
    secrets = {name for name, field in every_field().items() if is_secret(field)}
    assert secrets == {
        *("database_url", "broker_url", "europeana_api_key", "oidc_client_secret"),
        "europeana_client_secret",
    }
