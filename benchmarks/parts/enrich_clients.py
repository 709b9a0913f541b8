"""The clients that `enrich_end_to_end` measures over local files, each in a process of its own.

    python -m benchmarks.parts.enrich_clients NAME < ASSIGNMENT

ASSIGNMENT is one as JSON; the last line of the output is what was measured, as JSON.
"""

import json
import sys
from dataclasses import asdict

from benchmarks.parts.enrich_local import OURS, LocalAssignment
from benchmarks.parts.enrich_peers import PEERS

if __name__ == "__main__":
    assignment = LocalAssignment.from_json(sys.stdin.read())
    measured = {**OURS, **PEERS}[sys.argv[1]](assignment)
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")
