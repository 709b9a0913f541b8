"""A broker that accepts and never answers holds nobody up for long."""

import socket
import time

import pytest
from pydantic import SecretStr

from common.broker import create_app, send_to_all
from common.errors import BrokerError
from common.process.settings import BrokerSettings


@pytest.mark.parametrize("form", ["redis://{}/0", "rediss://{}/0", "amqp://{}//", "amqps://{}//"])
def test_a_wake_up_waits_three_seconds_for_a_silent_broker(form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = form.format(f"127.0.0.1:{silent.getsockname()[1]}")
        settings = BrokerSettings(broker_url=SecretStr(url))
        app = create_app("probe", settings, ["q"], heard_by_all="all")
        began = time.monotonic()
        with pytest.raises(BrokerError, match="cannot be reached"):
            send_to_all(app, "probe.task")
        assert time.monotonic() - began < 3
