"""The alerts for the Prometheus Operator are those of the file that Prometheus itself reads."""

import yaml

from deploy.monitoring.kubernetes import FILE, as_text
from tests.prometheus import RULES


def test_the_file_is_what_the_module_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == as_text(), "run: make docs"


def test_the_cluster_has_the_same_rules() -> None:
    assert yaml.safe_load(as_text())["spec"] == yaml.safe_load(RULES.read_text())
