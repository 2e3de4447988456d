"""The chart of a worker, linted and rendered by Helm, and checked against the schemas of Kubernetes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from command import TIMEOUT
from guides import blocks

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts" / "assay-worker"
KUBERNETES = ("1.30", "1.37")
CUSTOM = ("monitoring.coreos.com", "keda.sh")
"""The groups of resources that Kubernetes itself does not have."""

pytestmark = pytest.mark.skipif(find_spec("helm_python") is None, reason="there is no Helm for this platform")

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

BACKLOG = {
    **EVERYTHING,
    "autoscaling": {
        "enabled": True,
        "minReplicas": 1,
        "backlog": {"taskQueues": ["promotions", "reports"], "target": 20},
    },
}


def helm(action: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """What Helm answers about the chart with these values."""
    asked = json.dumps({"action": action, "chart": str(CHART), "values": values or {}})
    program = Path(__file__).parent.parent / "support" / "helm_program.py"
    result = subprocess.run(
        [sys.executable, str(program)], input=asked, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def manifests_of(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The manifests of a release."""
    answer = helm("render", values)
    assert "error" not in answer, answer["error"]
    files = [text for name, text in answer["files"].items() if not name.endswith("NOTES.txt")]
    return [manifest for text in files for manifest in yaml.safe_load_all(text) if manifest]


def rendered(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The manifests of a release, by kind."""
    manifests = manifests_of(values)
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


CASES = pytest.mark.parametrize("values", [{}, EVERYTHING, BACKLOG], ids=["defaults", "everything", "backlog"])


@CASES
def test_the_chart_passes_the_linter(values: dict[str, Any]) -> None:
    answer = helm("lint", values)
    assert [message for message in answer["messages"] if "icon is recommended" not in message["error"]] == []
    assert answer["errors"] == []


@CASES
@pytest.mark.parametrize("version", KUBERNETES)
def test_the_manifests_fit_the_schemas_of_kubernetes(values: dict[str, Any], version: str) -> None:
    checked = [item for item in manifests_of(values) if not item["apiVersion"].startswith(CUSTOM)]
    assert len(checked) >= 3
    for manifest in checked:
        kubernetes_validate.validate(manifest, version, strict=True)


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


@pytest.mark.parametrize("processes", [4, "auto"])
def test_a_pod_may_run_several_processes(processes: int | str) -> None:
    given = ["run", "--health", "0.0.0.0:8080", "--processes", str(processes), "worker.lua"]
    assert worker(rendered({"processes": processes}))["args"] == given


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


def test_a_backlog_is_scaled_by_keda_with_the_secrets_of_the_worker() -> None:
    manifests = rendered(BACKLOG)
    assert "HorizontalPodAutoscaler" not in manifests
    assert "replicas" not in manifests["Deployment"]["spec"]
    scaled = manifests["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"] == {"name": "promotions"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 10)
    *queues, cpu = scaled["triggers"]
    assert [trigger["metadata"]["taskQueue"] for trigger in queues] == ["promotions", "reports"]
    assert queues[0]["metadata"] == {
        "endpoint": "delivery.example.com:7234",
        "namespace": "delivery",
        "taskQueue": "promotions",
        "targetQueueSize": "20",
    }
    assert queues[0]["authenticationRef"] == {"name": manifests["TriggerAuthentication"]["metadata"]["name"]}
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "75"}}
    secrets = {
        item["parameter"]: (item["name"], item["key"])
        for item in manifests["TriggerAuthentication"]["spec"]["secretTargetRef"]
    }
    assert secrets == {
        "apiKey": ("temporal", "api-key"),
        "cert": ("temporal-tls", "tls.crt"),
        "key": ("temporal-tls", "tls.key"),
        "ca": ("temporal-tls", "ca.crt"),
    }


def test_a_backlog_without_secrets_needs_no_authentication() -> None:
    manifests = rendered({"autoscaling": {"enabled": True, "minReplicas": 0, "backlog": {"taskQueues": ["q"]}}})
    assert "TriggerAuthentication" not in manifests
    [trigger] = manifests["ScaledObject"]["spec"]["triggers"]
    assert "authenticationRef" not in trigger


def test_the_network_policy_lets_the_worker_reach_the_server() -> None:
    egress = rendered(EVERYTHING)["NetworkPolicy"]["spec"]["egress"]
    ports = [port["port"] for rule in egress for port in rule["ports"]]
    assert ports == [53, 53, 7234, 443]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scripts": {"other.lua": ""}}, "scripts does not contain 'worker.lua' (the value of script)"),
        ({"scripts": {"worker.lua": ""}, "existingScripts": "mine"}, "scripts and existingScripts cannot be combined"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.enabled requires metrics.enabled"),
        ({"temporal": {"address": "temporal"}}, "address"),
        ({"replica": 3}, "replica"),
        ({"processes": 0}, "processes"),
        ({"autoscaling": {"enabled": True, "minReplicas": 0}}, "minReplicas 0 requires autoscaling.backlog.taskQueues"),
        (
            {"autoscaling": {"enabled": True, "metrics": [{}], "backlog": {"taskQueues": ["q"]}}},
            "autoscaling.metrics and autoscaling.backlog cannot be combined",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    assert message in helm("render", values)["error"]
