"""Helm on a chart, as a separate program: its native library contains a Go runtime, which installs signal handlers.

Reads {"action": "lint" or "render", "chart": …, "values": …} from stdin; writes a JSON object, {"error": …} if Helm
refuses the chart or its values.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import helm_python

RELEASE = "promotions"
KUBERNETES = "1.33.0"  # the default depends on Helm's build


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Lint or render a chart."""
    chart, values = asked["chart"], asked["values"]
    if asked["action"] == "lint":
        return dict(helm_python.lint(chart, values, strict=True, kube_version=KUBERNETES))
    try:
        with helm_python.Chart.load(chart) as loaded:
            return {"files": loaded.render(values, name=RELEASE, namespace="delivery")}
    except helm_python.HelmError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
    sys.stdout.flush()
    os._exit(0)
