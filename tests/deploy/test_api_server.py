"""A real API server takes the overlays, also twice, the next release, and deletes all of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.certificates import needs_openssl
from tests.kubernetes import ApiServer, Manifest, filled_in
from tests.worker.processes.running import TIMEOUT

pytestmark = [pytest.mark.slow, needs_openssl, pytest.mark.timeout(4 * TIMEOUT)]

NAMESPACE = "enrichment"
OF_OTHERS = ("keda.sh/", "monitoring.coreos.com/")
ALLOWED = ("core/v1/Secret", "core/v1/ConfigMap")
PRUNE = ("--prune", "--all", *(f"--prune-allowlist={kind}" for kind in ALLOWED))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """One that warns of pods that may do more than `restricted` allows."""
    with ApiServer(tmp_path) as running:
        done(running, "create", "namespace", NAMESPACE)
        done(running, "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted")
        yield running


def done(server: ApiServer, *arguments: str, given: str = "") -> str:
    """What kubectl says to a command that the server takes without a word of warning."""
    said = server.kubectl("--namespace", NAMESPACE, *arguments, given=given)
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr
    return said.stdout


def definition(manifest: Manifest) -> Manifest:
    """Of a kind that another product brings; `test_kubernetes.py` checks the fields."""
    group, version = manifest["apiVersion"].split("/")
    kind, plural = manifest["kind"], f"{manifest['kind'].lower()}s"
    schema: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [served | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


def define_kinds_of_others(server: ApiServer, overlay: Path) -> None:
    manifests = yaml.safe_load_all(done(server, "kustomize", str(overlay)))
    others = [each for each in manifests if each["apiVersion"].startswith(OF_OTHERS)]
    for each in {each["kind"]: definition(each) for each in others}.values():
        done(server, "apply", "--filename=-", given=yaml.safe_dump(each))
        name = each["metadata"]["name"]
        done(
            server, "wait", f"--timeout={TIMEOUT:.0f}s", "--for=condition=established", "crd", name
        )


def next_release(overlay: Path) -> None:
    """Another tag of the images, and another password."""
    file, secrets = overlay / "kustomization.yaml", overlay / "secrets.env"
    file.write_text(re.sub(r"newTag: [^ ]+", 'newTag: "9.9.9"', file.read_text()))
    secrets.write_text(secrets.read_text().replace("EUROPEANA_API_KEY=", "EUROPEANA_API_KEY=new"))


@pytest.mark.parametrize("name", ["dev", "cloud"])
def test_an_overlay_is_applied_changed_and_deleted(
    server: ApiServer, tmp_path: Path, name: str
) -> None:
    overlay = filled_in(name, tmp_path)
    define_kinds_of_others(server, overlay)
    done(server, "apply", "--kustomize", str(overlay))
    done(server, "apply", "--kustomize", str(overlay))
    assert done(server, "diff", "--kustomize", str(overlay)) == ""

    next_release(overlay)
    refused = server.kubectl("apply", "--kustomize", str(overlay))
    assert re.search(r"enrichment-migration-job.*field is immutable", refused.stderr, re.DOTALL)
    done(server, "delete", "job", "enrichment-migration-job", "--ignore-not-found")
    done(server, "apply", "--kustomize", str(overlay))
    assert len(re.findall("secret/enrichment-secrets-", secrets(server))) == 2
    done(server, "apply", "--kustomize", str(overlay), *PRUNE)
    assert len(re.findall("secret/enrichment-secrets-", secrets(server))) == 1

    done(server, "delete", "--kustomize", str(overlay), "--wait=false")
    assert secrets(server) == ""


def secrets(server: ApiServer) -> str:
    return done(server, "get", "secrets", "--output=name")
