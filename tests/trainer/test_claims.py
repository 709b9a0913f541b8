"""Claims: one process at a time, until it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import EnrichmentError
from trainer.claims import ClaimedError, claim, is_claimed

CLAIMS_AND_SAYS_SO = """
import sys, time
from pathlib import Path
from trainer.claims import claim

with claim(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(600)
"""


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    fold = tmp_path / "run" / "split_0"
    with claim(fold):
        assert is_claimed(fold)
        assert not is_claimed(tmp_path / "run" / "split_1")
        with pytest.raises(ClaimedError, match=r"split_0 is being trained by another process"):
            claim(fold).__enter__()
    assert not is_claimed(fold)


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    fold = tmp_path / "split_0"
    command = [sys.executable, "-c", CLAIMS_AND_SAYS_SO, str(fold)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        assert is_claimed(fold)
        process.kill()
    assert not is_claimed(fold)


def test_what_is_no_folder_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(EnrichmentError, match="cannot be claimed: "):
        claim(tmp_path / "run" / "split_0").__enter__()
