"""The overlays of `deploy/k8s`, filled in, and a real API server of Kubernetes to apply them to."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from string import Template
from typing import Any, Self

import pytest

from deploy.local.bound import bound_command
from tests.certificates import self_signed
from tests.worker.processes.running import TIMEOUT, free_port

MANIFESTS = Path(__file__).resolve().parents[1] / "deploy" / "k8s"
CLOUD = MANIFESTS / "overlays" / "cloud"
SECRETS = {
    "DATABASE_URL": "postgresql://user:a-secret@host/database",
    "BROKER_URL": "redis://:a-secret@host:6379/0",
    "EUROPEANA_API_KEY": "a-secret",
    "SCALER_DATABASE_URL": "postgresql://scaler:a-secret@host/database",
}
Manifest = dict[str, Any]


def variables() -> dict[str, str]:
    """What the example for the cloud sets."""
    lines = (CLOUD / "variables.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line[0] != "#")


def filled_in(name: str, folder: Path) -> Path:
    """Copy the manifests to a folder, and fill in an overlay there, as the how-to page says."""
    copy = folder / "k8s"
    shutil.copytree(MANIFESTS, copy, ignore=shutil.ignore_patterns("*.env", "kustomization.yaml~"))
    shutil.copy(MANIFESTS / "base" / "settings.env", copy / "base" / "settings.env")
    overlay = copy / "overlays" / name
    for template in overlay.glob("*.template"):
        filled = Template(template.read_text()).substitute(variables() | SECRETS)
        template.with_suffix("").write_text(filled)
    return overlay


class ApiServer:
    """It runs for as long as the block lasts, with etcd; there are no nodes and no controllers.

    A test that asks for it skips where a program is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._etcd, self._server = _program("etcd"), _program("kube-apiserver")
        self._folder = folder
        self._certificate = self_signed(folder / "server.pem", "localhost")
        (folder / "tokens.csv").write_text("a-token,admin,admin,system:masters\n")
        (folder / "no-other-cluster").touch()
        self._url = f"https://localhost:{free_port()}"

    def __enter__(self) -> Self:
        self._log = (self._folder / "servers.log").open("wb")
        self._processes = [
            subprocess.Popen(
                bound_command(command, death_signal=signal.SIGKILL),
                stdout=self._log,
                stderr=self._log,
            )
            for command in self._commands()
        ]
        deadline = time.monotonic() + TIMEOUT
        while self.kubectl("get", "--raw", "/readyz").returncode:
            said = (self._folder / "servers.log").read_text()[-5000:]
            assert [process.poll() for process in self._processes] == [None, None], said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(TIMEOUT)
        self._log.close()

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Type a command, with its standard input; no other cluster is known to it."""
        access = [f"--server={self._url}", "--token=a-token"]
        access += [f"--certificate-authority={self._certificate.with_suffix('.crt')}"]
        return subprocess.run(
            [_program("kubectl"), *access, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"KUBECONFIG": str(self._folder / "no-other-cluster")},
        )

    def _commands(self) -> tuple[list[str], list[str]]:
        store, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        etcd = {"data-dir": self._folder / "etcd", "listen-client-urls": store}
        etcd |= {"advertise-client-urls": store, "listen-peer-urls": peers}
        etcd |= {"initial-advertise-peer-urls": peers, "initial-cluster": f"default={peers}"}
        certificate = self._certificate.with_suffix(".crt")
        server = {"etcd-servers": store, "secure-port": self._url.rpartition(":")[2]}
        server |= {"bind-address": "127.0.0.1", "advertise-address": "127.0.0.1"}
        server |= {"cert-dir": self._folder, "token-auth-file": self._folder / "tokens.csv"}
        server |= {"tls-cert-file": certificate, "tls-private-key-file": self._certificate}
        server |= {"service-account-key-file": self._certificate, "service-account-issuer": "us"}
        server |= {"service-account-signing-key-file": self._certificate}
        server |= {"service-cluster-ip-range": "10.0.0.0/24", "authorization-mode": "RBAC"}
        server |= {"endpoint-reconciler-type": "none"}
        return [
            [program, *(f"--{name}={value}" for name, value in options.items())]
            for program, options in ((self._etcd, etcd), (self._server, server))
        ]


def _program(name: str) -> str:
    """The way to a program, also in the folder where `setup-envtest` of Kubernetes puts it."""
    path = [os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(filter(None, path)))
    if found is None:
        pytest.skip(f"no {name} on the PATH or in KUBEBUILDER_ASSETS")
    return found
