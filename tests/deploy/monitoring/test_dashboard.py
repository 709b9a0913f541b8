"""The dashboard tells installations apart, says what it shows, and has room for all of it."""

import json
import re
from itertools import combinations
from typing import Any

from tests.prometheus import DASHBOARD, panels

COLUMNS = 24  # that Grafana has
# A metric or a level, and what must follow it.
METRIC = re.compile(r"\b(?:(?:worker|store|desk|process)_|enrichment:)[a-z0-9_:]+(.{24})?")


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    return {
        (column, line)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    }


def test_no_panel_lies_on_another() -> None:
    every = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert all(column < COLUMNS for panel in every for column, _ in cells(panel))
    assert not any(cells(one) & cells(other) for one, other in combinations(every, 2))
    assert len({panel["id"] for panel in every}) == len(every)


def test_every_panel_says_what_it_shows() -> None:
    assert all(panel["description"].endswith(".") and panel["targets"] for panel in panels())
    assert len({panel["title"] for panel in panels()}) == len(panels())


def test_every_query_is_for_the_chosen_prometheus_and_installation() -> None:
    targets = [target for panel in panels() for target in panel["targets"]]
    assert {target["datasource"]["uid"] for target in targets} == {"${source}"}
    for query in (target["expr"] for target in targets):
        assert set(METRIC.findall(query)) == {'{namespace="$namespace"}'}, query
