"""The chart of a worker, linted and rendered by Helm where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from command import TIMEOUT
from guides import blocks

HELM = shutil.which("helm")
ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "assay-worker"
KUBERNETES = "1.33.0"  # else it is up to how Helm was built

pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not installed")

EVERYTHING = {
    "image": {"repository": "registry.example.com/promotions", "digest": f"sha256:{'0' * 64}"},
    "script": "promotions.lua",
    "arguments": ["--fast", 12345678],
    "scripts": {"promotions.lua": 'local helper = require("helper")\n', "helper.lua": "return {}\n"},
    "temporal": {
        "address": "delivery.example.com:7234",
        "namespace": "delivery",
        "apiKey": {"secret": "temporal"},
        "tls": {"secret": "temporal-tls", "authority": "ca.crt"},
    },
    "env": {"COMMIT": 12345678, "FAST": True},
    "secretEnv": {"GITLAB_TOKEN": {"secret": "gitlab", "key": "token"}},
    "metrics": {"enabled": True, "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "autoscaling": {"enabled": True},
    "networkPolicy": {"enabled": True, "egress": [{"ports": [{"port": 443}]}]},
    "health": {"port": 8081},
}


def helm(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm on the chart with these values."""
    command = [str(HELM), *arguments, str(CHART), "--values", "-", "--kube-version", KUBERNETES]
    given = json.dumps(values or {})
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def rendered(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The manifests of a release, by kind."""
    result = helm("template", "promotions", values=values)
    assert result.returncode == 0, result.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(result.stdout) if manifest]
    kinds = {manifest["kind"]: manifest for manifest in manifests}
    assert len(kinds) == len(manifests)
    return kinds


def pod(manifests: dict[str, Any]) -> Any:
    """The pod's specification."""
    return manifests["Deployment"]["spec"]["template"]["spec"]


def worker(manifests: dict[str, Any]) -> Any:
    """The worker's container."""
    [container] = pod(manifests)["containers"]
    return container


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_chart_passes_the_linter(values: dict[str, Any]) -> None:
    result = helm("lint", "--strict", values=values)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_values_of_the_guide_fit_the_chart() -> None:
    _, values = map(yaml.safe_load, blocks("docs/deploy.md", "yaml"))
    assert worker(rendered(values))["image"] == "registry.example.com/assay:0.1.0"


def test_by_default_there_is_what_every_worker_needs() -> None:
    assert set(rendered()) == {"Deployment", "PodDisruptionBudget", "ServiceAccount"}


def test_every_part_can_be_turned_on() -> None:
    assert set(rendered(EVERYTHING)) == {
        *("Deployment", "PodDisruptionBudget", "ServiceAccount", "ConfigMap", "Service", "ServiceMonitor"),
        *("HorizontalPodAutoscaler", "NetworkPolicy"),
    }


def test_the_worker_runs_as_the_image_does_by_itself() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [started] = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    [user] = re.findall(r"^USER (\d+):", dockerfile, re.MULTILINE)
    manifests = rendered()
    assert worker(manifests)["args"] == json.loads(started)
    assert pod(manifests)["securityContext"]["runAsUser"] == int(user)
    assert worker(manifests)["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_script_gets_its_arguments_as_text() -> None:
    given = ["run", "--health", "0.0.0.0:8081", "promotions.lua", "--fast", "12345678"]
    assert worker(rendered(EVERYTHING))["args"] == given


def test_the_probes_ask_for_the_health_of_the_worker() -> None:
    container = worker(rendered(EVERYTHING))
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/livez", "port": "health"},
        "liveness": {"path": "/livez", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }
    assert {"name": "health", "containerPort": 8081} in container["ports"]


def test_the_scripts_are_where_the_image_looks_for_them() -> None:
    manifests = rendered(EVERYTHING)
    scripts = manifests["ConfigMap"]
    assert scripts["data"] == EVERYTHING["scripts"]
    [volume] = [volume for volume in pod(manifests)["volumes"] if volume["name"] == "scripts"]
    assert volume["configMap"]["name"] == scripts["metadata"]["name"]
    [mount] = [mount for mount in worker(manifests)["volumeMounts"] if mount["name"] == "scripts"]
    assert mount["mountPath"] == "/app"


def test_a_change_of_the_scripts_restarts_the_workers() -> None:
    def checksum(text: str) -> str:
        template = rendered({"scripts": {"worker.lua": text}})["Deployment"]["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/scripts"]
        return found

    assert checksum("return 1") != checksum("return 2")


def test_secrets_are_referred_to_and_never_copied() -> None:
    variables = {variable["name"]: variable for variable in worker(rendered(EVERYTHING))["env"]}
    secrets = {name: given["valueFrom"]["secretKeyRef"] for name, given in variables.items() if "valueFrom" in given}
    assert secrets == {
        "TEMPORAL_API_KEY": {"name": "temporal", "key": "api-key"},
        "GITLAB_TOKEN": {"name": "gitlab", "key": "token"},
    }
    plain = {name: given["value"] for name, given in variables.items() if "value" in given}
    assert plain == {
        "TEMPORAL_ADDRESS": "delivery.example.com:7234",
        "TEMPORAL_NAMESPACE": "delivery",
        "TEMPORAL_TLS": "true",
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "/etc/temporal/tls/tls.crt",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "/etc/temporal/tls/tls.key",
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/etc/temporal/tls/ca.crt",
        "COMMIT": "12345678",
        "FAST": "true",
    }


def test_every_selector_finds_the_pods() -> None:
    manifests = rendered(EVERYTHING)
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert manifests["Service"]["spec"]["selector"].items() <= labels
    service = manifests["Service"]["metadata"]["labels"].items()
    assert manifests["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= service


def test_autoscaling_owns_the_number_of_workers() -> None:
    assert rendered()["Deployment"]["spec"]["replicas"] == 2
    manifests = rendered(EVERYTHING)
    assert "replicas" not in manifests["Deployment"]["spec"]
    assert manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "promotions"


def test_the_network_policy_lets_the_worker_reach_the_server() -> None:
    egress = rendered(EVERYTHING)["NetworkPolicy"]["spec"]["egress"]
    ports = [port["port"] for rule in egress for port in rule["ports"]]
    assert ports == [53, 53, 7234, 443]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scripts": {"other.lua": ""}}, "scripts has no file 'worker.lua', which script names"),
        ({"scripts": {"worker.lua": ""}, "existingScripts": "mine"}, "scripts and existingScripts cannot be combined"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.enabled needs metrics.enabled"),
        ({"temporal": {"address": "temporal"}}, "address"),
        ({"replica": 3}, "replica"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    result = helm("template", "promotions", values=values)
    assert result.returncode != 0
    assert message in result.stderr
