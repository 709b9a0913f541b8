"""Claims: one process at a time trains an experiment or a fold, until it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import EnrichmentError
from trainer.claims import ClaimedError
from trainer.experiment import Experiment

CLAIMS_AND_SAYS_SO = """
import sys, time
from pathlib import Path
from trainer.experiment import Experiment

with Experiment(Path(sys.argv[1]), "run").claimed(0):
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """One that is not begun."""
    return Experiment(tmp_path, "run")


def test_a_claim_ends_with_its_block(experiment: Experiment) -> None:
    with experiment.claimed(0):
        assert experiment.is_claimed(0)
        assert not experiment.is_claimed(1)
        with pytest.raises(ClaimedError, match=r"split_0 is being trained by another process"):
            experiment.claimed(0).__enter__()
    assert not experiment.is_claimed(0)


def test_a_claim_ends_with_its_process_however_that_ends(
    experiment: Experiment, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CLAIMS_AND_SAYS_SO, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        assert experiment.is_claimed(0)
        process.kill()
    assert not experiment.is_claimed(0)


def test_a_file_system_that_refuses_is_a_message(experiment: Experiment) -> None:
    experiment.folder.write_text("a file")
    with pytest.raises(EnrichmentError, match="cannot be claimed: .* such as NFS 4"):
        experiment.claimed(0).__enter__()
