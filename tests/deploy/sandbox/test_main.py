"""`python -m deploy.sandbox` as its users meet it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "deploy.sandbox", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_cleanly(ending: signal.Signals) -> None:
    arguments = ("--port", "0", "--items", "300", "--key", "mine", "--quota", "5")
    with start(*arguments, "--latency", "0.01", "--client", "me:mine") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("300 records at http://127.0.0.1:")
        url = second.split("EUROPEANA_API_URL=")[1].split()[0]
        search = f"{url}/record/v2/search.json?query=*&wskey=mine"
        response = requests.get(search, timeout=10)
        assert response.json()["totalResults"] == 300
        assert response.headers["RateLimit"].startswith('"personal";r=4;')
        process.send_signal(ending)
        rest, complaints = process.stdout.read(), process.stderr.read()
    assert (process.returncode, complaints) == (0, "")
    variables = f"EUROPEANA_AUTH_URL={url}/auth/realms/europeana EUROPEANA_CLIENT_ID=me"
    assert f"{variables} EUROPEANA_CLIENT_SECRET=mine\n" in rest
    assert "stands for media.lakeside.example" in rest
    assert "deleted: /91" in rest


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--latency", "soon"), "--latency"),
        (("--catalog", "/nowhere"), "Cannot read /nowhere/catalog.jsonl"),
        (("--client", "me"), "--client 'me' is not ID:SECRET"),
        (("--faults", "/nowhere.json"), "Cannot read /nowhere.json"),
        (("--port", "1", "--hosts", "300"), "250"),
    ],
)
def test_wrong_usage_ends_with_a_message(arguments: tuple[str, ...], complaint: str) -> None:
    with start(*arguments) as process:
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 2
    assert complaint in complaints
    assert "Traceback" not in complaints
