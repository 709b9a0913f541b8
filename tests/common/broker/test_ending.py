"""A process that works on messages is told to end."""

import signal
import subprocess
import sys

import pytest

from tests.common.broker.listening import LISTENER

PATIENCE = 120.0  # seconds


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_is_sigterm_and_celery_prints_nothing(broker_url: str, told: signal.Signals) -> None:
    program = LISTENER.replace("on_stop", "on_start=lambda: say('begun'), on_stop")
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "begun"
            process.send_signal(told)
            printed, logged = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, printed) == (0, ""), logged
    assert "superuser" not in logged
