"""The dashboard is what its module makes, and Grafana has room for all of it."""

from itertools import combinations
from typing import Any

from deploy.monitoring.dashboard import COLUMNS, FILE, ROWS, as_text, dashboard


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    return {
        (column, line)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    }


def test_the_file_is_what_the_module_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == as_text(), "run: make docs"


def test_no_panel_lies_on_another() -> None:
    panels = dashboard()["panels"]
    assert all(column < COLUMNS for panel in panels for column, _ in cells(panel))
    assert not any(cells(one) & cells(other) for one, other in combinations(panels, 2))
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_panel_says_what_it_shows() -> None:
    panels = [panel for row in ROWS.values() for panel in row]
    assert all(panel.told.endswith(".") and panel.queries for panel in panels)
    assert len({panel.title for panel in panels}) == len(panels)
