"""The Compose file: its parts are consistent, and the files that it mounts exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def config(name: str) -> Any:
    """A file that is embedded in the Compose file."""
    return yaml.safe_load(COMPOSE["configs"][name]["content"].replace("$$", "$"))


def mounts(service: str) -> dict[str, Path]:
    """The folders of the checkout that a service mounts, by mount point."""
    found = {}
    for volume in SERVICES[service].get("volumes", []):
        source, target = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[:2]
        if source.startswith("."):
            found[target] = ROOT / source
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_files_and_services_that_a_service_refers_to_exist(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", [])) <= set(SERVICES)
    assert {item["source"] for item in service.get("configs", [])} <= set(COMPOSE["configs"])
    named = {volume.partition(":")[0] for volume in service.get("volumes", []) if re.match(r"\w+:", volume)}
    assert named <= set(COMPOSE["volumes"])
    assert all(folder.is_dir() for folder in mounts(name).values())
    assert ("image" in service) != ("build" in service)


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_the_image_runs_read_only_with_a_script(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert (mounts(name)["/app"] / "worker.lua").is_file()


def test_nothing_is_published_to_other_machines() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_prometheus_scrapes_the_worker_and_has_the_alerts() -> None:
    settings = config("prometheus")
    port = SERVICES["worker"]["environment"]["METRICS"].rpartition(":")[2]
    [job] = settings["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"worker:{port}"]}]
    for path in map(Path, settings["rule_files"]):
        assert yaml.safe_load((mounts("prometheus")[str(path.parent)] / path.name).read_text())["groups"]


def test_grafana_has_prometheus_and_the_dashboard() -> None:
    [source] = config("datasources")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = config("dashboards")["providers"]
    folder = mounts("grafana")[provider["options"]["path"]]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert json.loads((folder / home.name).read_text())["panels"]
