"""Brokers that never answer, or take nothing: the first holds nobody up for long."""

import socket
import time

import pytest
import redis
from pydantic import SecretStr

from common.broker import check_broker, create_app, send_to_all
from common.errors import BrokerError
from common.process.settings import BrokerSettings
from deploy.local import Services


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


@pytest.mark.parametrize(
    ("setting", "words"), [("maxmemory", "memory"), ("min-replicas-to-write", "replicas")]
)
def test_a_broker_that_is_full_or_lacks_replicas_takes_nothing(
    broker_url: str, services: Services, setting: str, words: str
) -> None:
    app = create_app("probe", BrokerSettings.read(), ["q"])
    check_broker(app)
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.config_set(setting, 1)
        try:
            with pytest.raises(BrokerError, match=f"takes no messages: .*{words}"):
                check_broker(app)
        finally:
            client.config_set(setting, 0)
    check_broker(app)


def test_a_broker_that_is_a_replica_takes_nothing(broker_url: str, services: Services) -> None:
    app = create_app("probe", BrokerSettings.read(), ["q"])
    check_broker(app)
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(BrokerError, match="takes no messages: .*replica"):
                check_broker(app)
        finally:
            client.replicaof("NO", "ONE")
    check_broker(app)
