"""Write the alerts for the Prometheus Operator: `python -m deploy.monitoring.kubernetes`."""

from pathlib import Path

RULES = Path(__file__).with_name("rules.yaml")
FILE = Path(__file__).parents[1] / "k8s" / "components" / "monitoring" / "rules.yaml"
_HEAD = """\
# Made from deploy/monitoring/rules.yaml by `make docs`: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: enrichment-rules
spec:
"""


def as_text() -> str:
    """The content of the file: an object with the rules."""
    _, found, groups = RULES.read_text(encoding="utf-8").partition("groups:\n")
    lines = (found + groups).splitlines(keepends=True)
    return _HEAD + "".join(f"  {line}" if line.strip() else line for line in lines)


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
