"""The chart of a worker, linted and rendered by Helm, and checked against the schemas of Kubernetes."""

from __future__ import annotations

import functools
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

from guides import blocks
from timeouts import TIMEOUT

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts" / "assay-worker"
KUBERNETES = ("1.30", "1.37")
CUSTOM = ("monitoring.coreos.com", "keda.sh")
"""API groups of resources that Kubernetes itself does not define."""

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


@functools.cache
def helm_answer(request: str) -> str:
    """Run Helm once per request, both in JSON."""
    program = Path(__file__).parent.parent / "support" / "helm_program.py"
    command = [sys.executable, str(program)]
    return subprocess.run(command, input=request, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout


def helm(action: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the answer of Helm to an action on the chart with some values."""
    request = json.dumps({"action": action, "chart": str(CHART), "values": values or {}})
    answer: dict[str, Any] = json.loads(helm_answer(request))
    return answer


def manifests_of(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the manifests of a release."""
    answer = helm("render", values)
    assert "error" not in answer, answer["error"]
    files = [text for name, text in answer["files"].items() if not name.endswith("NOTES.txt")]
    return [manifest for text in files for manifest in yaml.safe_load_all(text) if manifest]


def rendered(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the manifests of a release by kind."""
    manifests = manifests_of(values)
    kinds = {manifest["kind"]: manifest for manifest in manifests}
    assert len(kinds) == len(manifests)
    return kinds


def pod(manifests: dict[str, Any]) -> Any:
    """Return the specification of the pods."""
    return manifests["Deployment"]["spec"]["template"]["spec"]


def worker(manifests: dict[str, Any]) -> Any:
    """Return the container of the worker."""
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


def test_a_release_with_default_values_has_three_manifests() -> None:
    assert set(rendered()) == {"Deployment", "PodDisruptionBudget", "ServiceAccount"}


def test_every_part_can_be_enabled() -> None:
    assert set(rendered(EVERYTHING)) == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
    }


DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_worker_runs_the_command_of_the_image() -> None:
    [command] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert worker(rendered())["args"] == json.loads(command)


def test_the_worker_runs_as_the_user_of_the_image() -> None:
    [user] = re.findall(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)
    assert pod(rendered())["securityContext"]["runAsUser"] == int(user)


def test_the_worker_cannot_write_to_its_image() -> None:
    assert worker(rendered())["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_script_receives_its_arguments_as_strings() -> None:
    given = ["run", "--health", "0.0.0.0:8081", "promotions.lua", "--fast", "12345678"]
    assert worker(rendered(EVERYTHING))["args"] == given


@pytest.mark.parametrize("processes", [4, "auto"])
def test_a_pod_may_run_several_processes(processes: int | str) -> None:
    given = ["run", "--health", "0.0.0.0:8080", "--processes", str(processes), "worker.lua"]
    assert worker(rendered({"processes": processes}))["args"] == given


def test_the_probes_request_the_health_of_the_worker() -> None:
    container = worker(rendered(EVERYTHING))
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/livez", "port": "health"},
        "liveness": {"path": "/livez", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }


def test_the_port_for_health_is_open() -> None:
    assert {"name": "health", "containerPort": 8081} in worker(rendered(EVERYTHING))["ports"]


def test_the_scripts_are_mounted_in_the_folder_of_the_image() -> None:
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


def test_secrets_are_references() -> None:
    variables = worker(rendered(EVERYTHING))["env"]
    assert {item["name"]: item["valueFrom"]["secretKeyRef"] for item in variables if "valueFrom" in item} == {
        "TEMPORAL_API_KEY": {"name": "temporal", "key": "api-key"},
        "GITLAB_TOKEN": {"name": "gitlab", "key": "token"},
    }


def test_other_variables_have_values() -> None:
    variables = worker(rendered(EVERYTHING))["env"]
    assert {item["name"]: item["value"] for item in variables if "value" in item} == {
        "TEMPORAL_ADDRESS": "delivery.example.com:7234",
        "TEMPORAL_NAMESPACE": "delivery",
        "TEMPORAL_TLS": "true",
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "/etc/temporal/tls/tls.crt",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "/etc/temporal/tls/tls.key",
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/etc/temporal/tls/ca.crt",
        "COMMIT": "12345678",
        "FAST": "true",
    }


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ["selector", "matchLabels"]),
        ("PodDisruptionBudget", ["selector", "matchLabels"]),
        ("NetworkPolicy", ["podSelector", "matchLabels"]),
        ("Service", ["selector"]),
    ],
)
def test_a_selector_finds_the_pods(kind: str, path: list[str]) -> None:
    manifests = rendered(EVERYTHING)
    selector = functools.reduce(lambda value, key: value[key], path, manifests[kind]["spec"])
    assert selector
    assert selector.items() <= manifests["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


def test_the_monitor_finds_the_service() -> None:
    manifests = rendered(EVERYTHING)
    selector = manifests["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert selector
    assert selector.items() <= manifests["Service"]["metadata"]["labels"].items()


def test_without_autoscaling_the_number_of_workers_is_fixed() -> None:
    assert rendered()["Deployment"]["spec"]["replicas"] == 2


def test_autoscaling_sets_the_number_of_workers() -> None:
    manifests = rendered(EVERYTHING)
    assert "replicas" not in manifests["Deployment"]["spec"]
    assert manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "promotions"


def test_keda_sets_the_number_of_workers_for_a_backlog() -> None:
    manifests = rendered(BACKLOG)
    assert "HorizontalPodAutoscaler" not in manifests
    assert "replicas" not in manifests["Deployment"]["spec"]
    scaled = manifests["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"] == {"name": "promotions"}
    assert scaled["minReplicaCount"] == 1
    assert scaled["maxReplicaCount"] == 10


def test_each_task_queue_with_a_backlog_is_a_trigger() -> None:
    *queues, _ = rendered(BACKLOG)["ScaledObject"]["spec"]["triggers"]
    assert [trigger["metadata"]["taskQueue"] for trigger in queues] == ["promotions", "reports"]
    assert queues[0]["metadata"] == {
        "endpoint": "delivery.example.com:7234",
        "namespace": "delivery",
        "taskQueue": "promotions",
        "targetQueueSize": "20",
    }


def test_a_backlog_may_be_that_of_a_version() -> None:
    backlog = {"taskQueues": ["q"], "deployment": {"name": "promotions", "buildId": "4f2c1d0"}}
    [queue, _] = rendered({"autoscaling": {"enabled": True, "backlog": backlog}})["ScaledObject"]["spec"]["triggers"]
    assert queue["metadata"]["workerDeploymentName"] == "promotions"
    assert queue["metadata"]["workerDeploymentBuildId"] == "4f2c1d0"


def test_the_load_of_the_cpu_is_a_trigger_too() -> None:
    *_, cpu = rendered(BACKLOG)["ScaledObject"]["spec"]["triggers"]
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "75"}}


def test_the_triggers_of_a_backlog_use_the_secrets_of_the_worker() -> None:
    manifests = rendered(BACKLOG)
    authentication = manifests["TriggerAuthentication"]
    queue, *_ = manifests["ScaledObject"]["spec"]["triggers"]
    assert queue["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    secrets = authentication["spec"]["secretTargetRef"]
    assert {item["parameter"]: (item["name"], item["key"]) for item in secrets} == {
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


def test_metrics_may_share_the_port_of_the_health_checks() -> None:
    shared = {"metrics": {"enabled": True, "port": 8080}, "networkPolicy": {"enabled": True}}
    manifests = rendered(shared)
    assert worker(manifests)["ports"] == [{"name": "health", "containerPort": 8080}]
    assert manifests["Service"]["spec"]["ports"] == [{"name": "metrics", "port": 8080, "targetPort": "health"}]
    assert manifests["NetworkPolicy"]["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "health"}]}]


def test_the_network_policy_allows_dns_the_server_and_own_rules() -> None:
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
            {
                "metrics": {"enabled": True, "port": 8080},
                "networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}]},
            },
            "networkPolicy.metricsFrom requires that metrics.port differs from health.port",
        ),
        (
            {"autoscaling": {"enabled": True, "metrics": [{}], "backlog": {"taskQueues": ["q"]}}},
            "autoscaling.metrics and autoscaling.backlog cannot be combined",
        ),
        (
            {
                "temporal": {"tls": {"enabled": True}},
                "autoscaling": {"enabled": True, "backlog": {"taskQueues": ["q"]}},
            },
            "autoscaling.backlog with TLS requires temporal.apiKey.secret, or temporal.tls.secret with a client",
        ),
        (
            {
                "temporal": {"tls": {"secret": "tls", "certificate": "", "authority": "ca.crt"}},
                "autoscaling": {"enabled": True, "backlog": {"taskQueues": ["q"]}},
            },
            "autoscaling.backlog with TLS requires temporal.apiKey.secret, or temporal.tls.secret with a client",
        ),
        (
            {
                "temporal": {
                    "apiKey": {"secret": "key"},
                    "tls": {"secret": "tls", "certificate": "", "authority": "ca.crt"},
                },
                "autoscaling": {"enabled": True, "backlog": {"taskQueues": ["q"]}},
            },
            "autoscaling.backlog with temporal.tls.authority requires a client certificate",
        ),
        (
            {"autoscaling": {"enabled": True, "backlog": {"taskQueues": ["q"], "deployment": {"name": "promotions"}}}},
            "autoscaling.backlog.deployment requires both name and buildId",
        ),
    ],
    ids=[
        "no script",
        "two sources of scripts",
        "monitor without metrics",
        "address without a port",
        "unknown value",
        "no process",
        "no replica",
        "scraping restricted at a shared port",
        "two ways to scale",
        "a backlog over TLS without credentials",
        "a backlog over TLS with an authority only",
        "a backlog with an API key and an authority",
        "a deployment without a build id",
    ],
)
def test_invalid_values_are_refused(values: dict[str, Any], message: str) -> None:
    assert message in helm("render", values)["error"]
