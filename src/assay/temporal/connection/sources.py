"""Sources of connection settings, for error messages: options, environment variables and profiles."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.envconfig import ClientConfigProfile

from assay.temporal.connection.options import ConnectionOptions

_VARIABLES = {
    "url": ("TEMPORAL_ADDRESS",),
    "api_key": ("TEMPORAL_API_KEY",),
    "profile": ("TEMPORAL_PROFILE",),
    "config_file": ("TEMPORAL_CONFIG_FILE",),
    "tls.server_root_ca_cert": ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA"),
    "tls.client_cert": ("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA"),
    "tls.client_key": ("TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_DATA"),
}
"""The environment variables of each option."""

_FILES = {
    "tls.server_root_ca_cert": ("server_root_ca_cert", "tls.server_ca_cert"),
    "tls.client_cert": ("client_cert", "tls.client_cert"),
    "tls.client_key": ("client_private_key", "tls.client_key"),
}
"""For each option that can be a file: the SDK's attribute, and the setting of a profile without `_path` or `_data`."""

_PROFILE_SETTINGS = {"url": "address", "api_key": "api_key"}


@dataclass(frozen=True)
class Sources:
    """The sources of the settings of a connection.

    Attributes:
        options: The connection options.
        profile: The environment configuration; None while it is being read.
    """

    options: ConnectionOptions
    profile: ClientConfigProfile | None = None

    def name(self, option: str) -> str:
        """Return what sets an option, such as "environment variable 'TEMPORAL_ADDRESS'"."""
        if self._option(option) is not None:
            return f"option '{option}'"
        for variable in _VARIABLES[option]:
            if os.environ.get(variable):
                return f"environment variable '{variable}'"
        return f"setting '{self._setting(option)}' of profile '{self.profile_name}' in {self.file_name}"

    def missing(self, option: str, *, counterpart: str) -> str:
        """Return what could set an option, in the source that sets its counterpart."""
        source = self.name(counterpart)
        if source.startswith("option"):
            return f"option '{option}'"
        if source.startswith("environment"):
            return f"environment variable '{_VARIABLES[option][0]}'"
        return f"setting '{_FILES[option][1]}_path' of profile '{self.profile_name}' in {self.file_name}"

    def of_file(self, path: str) -> str | None:
        """Return what sets the path of a certificate or key; None if nothing does."""
        tls = self.profile and self.profile.tls
        for option, (attribute, _) in _FILES.items():
            if tls and getattr(tls, attribute) == Path(path):
                return self.name(option)
        return None

    @property
    def file_name(self) -> str:
        """Name of the configuration file."""
        return self.options.config_file or os.environ.get("TEMPORAL_CONFIG_FILE") or "temporal.toml"

    @property
    def profile_name(self) -> str:
        """Name of the profile."""
        return self.options.profile or os.environ.get("TEMPORAL_PROFILE") or "default"

    def _option(self, name: str) -> Any:
        value: Any = self.options
        for part in name.split("."):
            value = getattr(value, part, None)
        return value

    def _setting(self, option: str) -> str:
        if option not in _FILES:
            return _PROFILE_SETTINGS[option]
        attribute, setting = _FILES[option]
        is_path = isinstance(getattr(self.profile and self.profile.tls, attribute, None), Path)
        return f"{setting}_path" if is_path else f"{setting}_data"
