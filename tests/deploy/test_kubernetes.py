"""The manifests: Kustomize renders them, schemas know every field, and they fit the programs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import kubernetes_validate
import pytest
import typer
import yaml
from sqlalchemy import Engine, text

from common.fetch.addresses import GLOBAL_IPV6, PUBLIC_PORTS, REFUSED_IPV4, REFUSED_IPV6
from common.process.settings import StoreSettings
from common.process.settings.base import DeploymentSettings, is_secret
from common.process.settings.desk import DeskSettings
from common.process.settings.every import every_field
from common.process.settings.services import PublisherSettings
from common.process.settings.worker import WorkerSettings
from enrichment.checks.folders import FOLDERS
from tests.kubernetes import CLOUD, SECRETS, Manifest, filled_in, variables
from worker.process.giving_back import GIVE_BACK_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "kubernetes.md"
KUBERNETES = ("1.30", kubernetes_validate.latest_version())  # the oldest and the newest
OTHERS = {  # where their models are, which take seconds to import
    "ScaledObject": "cloudcoil.models.keda.v1alpha1",
    "TriggerAuthentication": "cloudcoil.models.keda.v1alpha1",
    "PodMonitor": "cloudcoil.models.prometheus_operator.v1",
    "PrometheusRule": "cloudcoil.models.prometheus_operator.v1",
}
OF_OTHERS = {"HOME", "FORWARDED_ALLOW_IPS"}  # variables of libraries
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
# What each program reads; the others need the store alone.
READS: dict[str, tuple[type[DeploymentSettings], ...]] = {
    "worker run": (StoreSettings, WorkerSettings),
    "desk serve": (StoreSettings, DeskSettings),
    "publisher run": (StoreSettings, PublisherSettings),
}
METRICS_PORT = 9090
WORKERS = ("enrichment-worker-deployment", "enrichment-worker-deployment-on-card")


@pytest.fixture(scope="module", params=["dev", "cloud"])
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay with its files filled in, as the how-to page says."""
    return filled_in(request.param, tmp_path_factory.mktemp("rendering"))


@pytest.fixture(scope="module")
def manifests(overlay: Path) -> list[Manifest]:
    """What Kustomize makes of an overlay."""
    return rendered(overlay)


def rendered(overlay: Path) -> list[Manifest]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: apt-get install kubernetes-client")
    done = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def named(manifests: list[Manifest]) -> dict[str, Manifest]:
    return by_name(manifests)


def by_name(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The objects by their names; those made from files without the hash of their content."""
    names = [
        re.sub(r"-[a-z0-9]{10}$", "", name) if each["kind"] in {"ConfigMap", "Secret"} else name
        for each in manifests
        for name in [each["metadata"]["name"]]
    ]
    assert len(names) == len(set(names))
    return dict(zip(names, manifests, strict=True))


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod that an object makes, if it makes any."""
    spec = manifest.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    pod: Manifest | None = spec.get("template")
    return pod


def our_pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each pod with a program of ours: its command, its template and its only container."""
    for manifest in manifests:
        pod = pod_of(manifest)
        if pod and pod["metadata"]["labels"]["app"] == "image-enrichment":
            (container,) = pod["spec"]["containers"]
            yield " ".join(container["command"][:2]), pod, container


def variables_of(container: Manifest, named: dict[str, Manifest]) -> dict[str, str | None]:
    """The variables of a container; None for those from a Secret."""
    settings = named["enrichment-settings"]
    sources = [source["configMapRef"]["name"] for source in container.get("envFrom", ())]
    assert set(sources) <= {settings["metadata"]["name"]}
    plain = settings["data"] if sources else {}
    return plain | {each["name"]: each.get("value") for each in container["env"]}


@pytest.mark.parametrize("version", KUBERNETES)
def test_schemas_know_every_field(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        if manifest["kind"] not in OTHERS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_schemas_of_other_products_know_every_field(manifests: list[Manifest]) -> None:
    """Their models pass over what they do not know, so what they read is held beside it."""
    for manifest in manifests:
        if (place := OTHERS.get(manifest["kind"])) is not None:
            read = getattr(import_module(place), manifest["kind"]).model_validate(manifest)
            assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == manifest


def named_by_pods(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    for _, pod, container in our_pods(manifests):
        for each in container["env"]:
            if "valueFrom" in each:
                yield "Secret", each["valueFrom"]["secretKeyRef"]["name"]
        for volume in pod["spec"]["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                yield "PersistentVolumeClaim", claim["claimName"]


def named_by_keda(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "ScaledObject":
            yield "Deployment", spec["scaleTargetRef"]["name"]
            for trigger in spec["triggers"]:
                yield "TriggerAuthentication", trigger["authenticationRef"]["name"]
        if manifest["kind"] == "TriggerAuthentication":
            for each in spec["secretTargetRef"]:
                yield "Secret", each["name"]


def test_every_reference_leads_to_an_object(manifests: list[Manifest]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    assert {*named_by_pods(manifests), *named_by_keda(manifests)} <= there


def test_every_selector_finds_pods_and_no_pod_belongs_to_two(manifests: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for pod in map(pod_of, manifests) if pod]
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "StatefulSet", "PodDisruptionBudget", "Service"}:
            selector = manifest["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            assert len([each for each in labels if wanted <= each.items()]) == 1


def test_images_are_targets_of_the_dockerfile(manifests: list[Manifest]) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM base AS (\w+)$", dockerfile, re.MULTILINE))
    for command, _, container in our_pods(manifests):
        found = re.fullmatch(r"europeana/image-enrichment-(\w+):(\S+)", container["image"])
        assert found, container["image"]
        assert found[1] in targets
        assert command.startswith("desk") <= (found[1] == "desk")  # it needs its extra


def test_commands_are_commands(manifests: list[Manifest]) -> None:
    seen = set()
    for _, _, container in our_pods(manifests):
        probes = [
            container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")
        ]
        for line in [container["command"], *(p["exec"]["command"] for p in probes if "exec" in p)]:
            read_command(line)
            seen.add(" ".join(line[:2]))
    assert {"worker run", "worker tidy", "worker prune", "worker health", "desk serve"} <= seen
    assert {"enrichment prepare", "trainer teacher"} <= seen


def read_command(line: list[str]) -> None:
    """Read a command line as the program does, and do nothing.

    A wrong option or argument raises an error.
    """
    program, *arguments = line
    app = typer.main.get_command(import_module(f"{program}.cli").app)
    context = app.make_context(program, list(arguments), resilient_parsing=False)
    name, command, rest = app.resolve_command(context, arguments)  # type: ignore[attr-defined]
    command.make_context(name, rest, parent=context)


def test_every_variable_is_a_setting(manifests: list[Manifest], named: dict[str, Manifest]) -> None:
    known = {name.upper() for name in every_field()} | OF_OTHERS
    for _, _, container in our_pods(manifests):
        assert set(variables_of(container, named)) <= known


def test_every_program_has_the_settings_that_it_needs(
    manifests: list[Manifest], named: dict[str, Manifest]
) -> None:
    for command, _, container in our_pods(manifests):
        needed = {
            name.upper()
            for settings in READS.get(command, (StoreSettings,))
            for name, field in settings.model_fields.items()
            if field.is_required()
        }
        assert needed <= set(variables_of(container, named)), command


def test_plain_settings_are_right(
    named: dict[str, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (named["enrichment-settings"]["data"] | SECRETS).items():
        monkeypatch.setenv(name, value)
    assert WorkerSettings.read().worker_metrics_port == METRICS_PORT
    assert DeskSettings.read().desk_metrics_port == METRICS_PORT
    assert DeskSettings.read().desk_url


def test_secrets_are_in_secrets_alone(
    manifests: list[Manifest], named: dict[str, Manifest]
) -> None:
    secret = {name.upper() for name, field in every_field().items() if is_secret(field)}
    assert not secret & set(named["enrichment-settings"]["data"])
    for manifest in manifests:
        assert manifest["kind"] == "Secret" or "a-secret" not in yaml.safe_dump(manifest)
    for _, _, container in our_pods(manifests):
        for each in container["env"]:
            assert (each["name"] in secret) == ("valueFrom" in each)


def test_pods_may_do_as_little_as_possible(manifests: list[Manifest]) -> None:
    for pod in filter(None, map(pod_of, manifests)):
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for kind in ("requests", "limits"):  # a quota of a namespace asks for all four
            assert {"cpu", "memory"} <= set(container["resources"][kind])


def test_the_log_of_a_job_stays_when_it_has_failed(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if manifest["kind"] in {"Job", "CronJob"} and (pod := pod_of(manifest)):
            assert pod["spec"]["restartPolicy"] == "Never"


def test_a_program_may_write_where_its_settings_say(
    manifests: list[Manifest], named: dict[str, Manifest]
) -> None:
    writes = {
        "worker run": {"HEATMAP_DIR", "WORKER_CACHE_DIR", "WORKER_HEARTBEAT_FILE", "HOME"},
        "worker tidy": {"HEATMAP_DIR"},
        "desk serve": {"DESK_CACHE_DIR", "HOME"},
        "trainer teacher": {*FOLDERS, "HOME"},  # `enrichment doctor` finds no fault there
    }
    reads = {"worker run": {"MODEL_DIR"}, "desk serve": {"MODEL_DIR", "HEATMAP_DIR"}}
    for command, _, container in our_pods(manifests):
        given = variables_of(container, named)
        mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
        for names, read_only in ((writes, False), (reads, True)):
            for name in names.get(command, ()):
                path = Path(given[name] or "")
                (mount,) = [
                    mounts[str(each)] for each in (path, *path.parents) if str(each) in mounts
                ]
                assert mount.get("readOnly", False) is read_only, (command, name)


def test_a_worker_has_time_to_give_its_chunks_back(named: dict[str, Manifest]) -> None:
    """Five seconds before its own end it drops chunks; the rest of the grace is for its exit."""
    grace = float(named["enrichment-settings"]["data"]["WORKER_GRACE_SECONDS"])
    for name in filter(named.__contains__, WORKERS):
        spec = named[name]["spec"]["template"]["spec"]
        assert grace + GIVE_BACK_SECONDS < spec["terminationGracePeriodSeconds"]
        assert "lifecycle" not in spec["containers"][0]  # it would take from the same time
        assert spec["shareProcessNamespace"]  # process 1 would not hear SIGTERM while it starts


def test_workers_reach_what_the_fetcher_may_ask_and_no_more(named: dict[str, Manifest]) -> None:
    (rule,) = named["enrichment-internet-networkpolicy"]["spec"]["egress"]
    assert {(each["port"], each["protocol"]) for each in rule["ports"]} == {
        (port, "TCP") for port in PUBLIC_PORTS
    }
    blocks = {each["ipBlock"]["cidr"]: set(each["ipBlock"]["except"]) for each in rule["to"]}
    assert blocks == {
        "0.0.0.0/0": set(map(str, REFUSED_IPV4)),
        str(GLOBAL_IPV6): set(map(str, REFUSED_IPV6)),
    }


def test_every_pod_of_ours_is_under_the_network_policies(
    manifests: list[Manifest], named: dict[str, Manifest]
) -> None:
    ours = {"matchLabels": {"app": "image-enrichment"}}
    names = named["enrichment-names-networkpolicy"]["spec"]
    assert names["podSelector"] == ours
    assert names["policyTypes"] == ["Ingress", "Egress"]
    assert named["enrichment-services-networkpolicy"]["spec"]["podSelector"] == ours
    asking = {
        command for command, pod, _ in our_pods(manifests) if "asks" in pod["metadata"]["labels"]
    }
    assert asking == {"worker run", "desk serve"}


def test_the_cloud_says_how_large_a_worker_without_a_card_is(
    overlay: Path, named: dict[str, Manifest]
) -> None:
    if overlay.name != "cloud":
        pytest.skip("this overlay takes the base's sizes")
    (container,) = named[WORKERS[0]]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{variables()['MEMORY_LIMIT']}Mi"


def test_prometheus_reaches_all_that_serves_metrics(
    manifests: list[Manifest], named: dict[str, Manifest]
) -> None:
    if (monitor := named.get("enrichment-podmonitor")) is None:
        pytest.skip("this overlay has no Prometheus")
    policy = named["enrichment-metrics-networkpolicy"]["spec"]
    assert policy["podSelector"] == monitor["spec"]["selector"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": METRICS_PORT, "protocol": "TCP"}]
    (expression,) = policy["podSelector"]["matchExpressions"]
    serving = {
        pod["metadata"]["labels"]["component"]
        for _, pod, container in our_pods(manifests)
        if {"name": "metrics", "containerPort": METRICS_PORT} in container.get("ports", ())
    }
    assert serving == set(expression["values"])


def test_every_alert_leads_to_its_section(named: dict[str, Manifest]) -> None:
    if (alerts := named.get("enrichment-rules")) is None:
        pytest.skip("this overlay has no Prometheus")
    for group in alerts["spec"]["groups"]:
        for rule in filter(lambda rule: "alert" in rule, group["rules"]):
            section = f"{variables()['RUNBOOKS_URL']}#{rule['alert'].lower()}"
            assert rule["annotations"]["runbook_url"] == section


def test_the_logs_of_every_pod_are_collected(overlay: Path, manifests: list[Manifest]) -> None:
    if overlay.name != "cloud":
        pytest.skip("nobody collects the logs of this overlay")
    for _, pod, _ in our_pods(manifests):
        assert pod["metadata"]["annotations"] == {"fluentd/include": "true"}


def test_every_pod_may_have_certificates_of_authorities(overlay: Path) -> None:
    with_them = overlay.with_name(f"{overlay.name}-ca")
    with_them.mkdir()
    lines = {"resources": [f"../{overlay.name}"], "components": ["../../components/ca"]}
    (with_them / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    manifests = rendered(with_them)
    test_schemas_know_every_field(manifests, KUBERNETES[0])
    for _, pod, container in our_pods(manifests):
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "ca"]
        assert f"`{mount['mountPath']}`" in HOW_TO.read_text()
        assert {"name": "ca", "secret": {"secretName": "enrichment-ca"}} in pod["spec"]["volumes"]


def test_a_publisher_may_be_added(overlay: Path) -> None:
    with_it = overlay.with_name(f"{overlay.name}-publishing")
    shutil.copytree(overlay, with_it)
    file = with_it / "kustomization.yaml"
    lines = yaml.safe_load(file.read_text())
    lines.setdefault("components", []).append("../../components/publishing")
    lines["configMapGenerator"][0]["literals"] += [
        "EUROPEANA_AUTH_URL=https://auth.example.org",
        "EUROPEANA_CLIENT_ID=us",
    ]
    secret = {"name": "enrichment-publishing", "literals": ["EUROPEANA_CLIENT_SECRET=a-secret"]}
    lines["secretGenerator"].append(secret)
    file.write_text(yaml.safe_dump(lines))
    manifests = rendered(with_it)
    objects = by_name(manifests)
    assert "publisher run" in {command for command, _, _ in our_pods(manifests)}
    test_schemas_know_every_field(manifests, KUBERNETES[0])
    test_every_reference_leads_to_an_object(manifests)
    test_every_selector_finds_pods_and_no_pod_belongs_to_two(manifests)
    test_images_are_targets_of_the_dockerfile(manifests)
    test_commands_are_commands(manifests)
    test_every_variable_is_a_setting(manifests, objects)
    test_every_program_has_the_settings_that_it_needs(manifests, objects)
    test_secrets_are_in_secrets_alone(manifests, objects)
    test_pods_may_do_as_little_as_possible(manifests)
    labels = {command: pod["metadata"]["labels"] for command, pod, _ in our_pods(manifests)}
    assert labels["publisher run"]["asks"] == "internet"


def test_a_card_has_one_worker(named: dict[str, Manifest]) -> None:
    if (deployment := named.get(WORKERS[1])) is None:
        pytest.skip("this overlay has no cards")
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "WORKER_DEVICE", "value": "cuda"} in container["env"]
    assert spec["nodeSelector"]
    assert spec["tolerations"]
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_what_keda_asks_the_database_answers(manifests: list[Manifest], engine: Engine) -> None:
    asked = [
        trigger["metadata"]["query"]
        for each in manifests
        if each["kind"] == "ScaledObject"
        for trigger in each["spec"]["triggers"]
    ]
    with engine.connect() as connection:
        assert [connection.execute(text(query)).scalar_one() for query in asked] == [0] * len(asked)


def test_the_page_names_every_variable_of_the_templates() -> None:
    used = {
        name for file in CLOUD.glob("*.template") for name in PLACEHOLDER.findall(file.read_text())
    }
    assert used == set(variables()) | set(SECRETS)
    assert [name for name in used if f"`{name}`" not in HOW_TO.read_text()] == []


def test_no_filled_in_file_is_kept_in_git() -> None:
    kept = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/deploy/k8s/overlays/*/*.env", "/deploy/k8s/overlays/cloud/*.yaml"} <= set(kept)
