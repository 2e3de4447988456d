"""VS Code extension that starts this debug adapter: a manifest without code."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import assay

_STRING: dict[str, Any] = {"type": "string"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "program": _STRING | {"description": "Path of the script.", "default": "${file}"},
    "args": {"type": "array", "items": _STRING, "description": "Arguments of the script."},
    "cwd": _STRING | {"description": "Working directory.", "default": "${workspaceFolder}"},
    "env": {"type": "object", "description": "Environment variables; null removes one."},
    "stopOnEntry": {"type": "boolean", "description": "Stop at the first line."},
    "stopOnEvent": {
        "type": ["array", "string", "integer"],
        "items": {"type": ["string", "integer"]},
        "description": "Events of the history at which a replay stops: ids and types such as TimerFired.",
    },
    "stopAtEnd": {"type": "boolean", "description": "Stop at the end of the history of an open run.", "default": True},
    "workflowId": _STRING | {"description": "Replay the run of this workflow."},
    "runId": _STRING | {"description": "Run id; the latest run by default."},
    "history": _STRING | {"description": "Replay the run in this history file."},
    "address": _STRING | {"description": "Address of the server; that of the script by default."},
    "namespace": _STRING | {"description": "Namespace; that of the script by default."},
}
"""JSON schema of the launch options, which `launch.py` parses."""

_MANIFEST = """\
<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="{name}" Version="{version}" Publisher="{publisher}"/>
    <DisplayName>{title}</DisplayName>
    <Description xml:space="preserve">{description}</Description>
    <Categories>Debuggers</Categories>
    <Properties><Property Id="Microsoft.VisualStudio.Code.Engine" Value="{engine}"/></Properties>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Dependencies/>
  <Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/></Assets>
</PackageManifest>
"""
_TYPES = """\
<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension=".json" ContentType="application/json"/>
  <Default Extension=".vsixmanifest" ContentType="text/xml"/>
</Types>
"""
_NAME, _PUBLISHER, _ENGINE = "assay-debug", "assay", "^1.75.0"
_TITLE, _DESCRIPTION = "assay", "Debugs assay's Lua scripts and replays of workflow runs."


def write_extension(path: str, command: list[str]) -> None:
    """Write the extension, which starts `command`, as a .vsix file. Raises OSError."""
    description = {
        "name": _NAME,
        "displayName": _TITLE,
        "description": _DESCRIPTION,
        "publisher": _PUBLISHER,
        "version": assay.__version__,
        "engines": {"vscode": _ENGINE},
        "categories": ["Debuggers"],
        "contributes": {
            "breakpoints": [{"language": "lua"}],
            "debuggers": [
                {
                    "type": "assay",
                    "label": "assay",
                    "languages": ["lua"],
                    "runtime": command[0],
                    "runtimeArgs": command[1:],
                    "configurationAttributes": {"launch": {"required": ["program"], "properties": _OPTIONS}},
                    "initialConfigurations": [
                        {"type": "assay", "request": "launch", "name": "Lua: this script", "program": "${file}"}
                    ],
                }
            ],
        },
    }
    manifest = _MANIFEST.format(
        name=_NAME,
        version=assay.__version__,
        publisher=_PUBLISHER,
        title=_TITLE,
        description=_DESCRIPTION,
        engine=_ENGINE,
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", _TYPES)
        file.writestr("extension.vsixmanifest", manifest)
        file.writestr("extension/package.json", json.dumps(description, indent=2))
