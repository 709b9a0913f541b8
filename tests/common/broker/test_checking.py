"""Brokers that never answer, or take nothing: the first holds nobody up for long."""

import pytest
import redis

from common.broker import check_broker
from common.errors import BrokerError
from common.process.settings import BrokerSettings
from deploy.local import Services


@pytest.mark.parametrize(
    ("setting", "words"), [("maxmemory", "memory"), ("min-replicas-to-write", "replicas")]
)
def test_a_broker_that_is_full_or_lacks_replicas_takes_nothing(
    broker_url: str, services: Services, setting: str, words: str
) -> None:
    settings = BrokerSettings.read()
    check_broker(settings)
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.config_set(setting, 1)
        try:
            with pytest.raises(BrokerError, match=f"does not accept messages: .*{words}"):
                check_broker(settings)
        finally:
            client.config_set(setting, 0)
    check_broker(settings)


def test_a_broker_that_is_a_replica_takes_nothing(broker_url: str, services: Services) -> None:
    settings = BrokerSettings.read()
    check_broker(settings)
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(BrokerError, match="does not accept messages: .*replica"):
                check_broker(settings)
        finally:
            client.replicaof("NO", "ONE")
    check_broker(settings)
