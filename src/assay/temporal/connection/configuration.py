"""Connection settings: the connection options combined with Temporal's environment configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from temporalio.envconfig import ClientConfig
from temporalio.service import TLSConfig

from assay.errors import BuiltinError
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.connection import tls
from assay.temporal.connection.options import ConnectionOptions

_HEADER_NAME = re.compile(r"[0-9a-z_.-]+")
_PRINTABLE_ASCII = re.compile(r"[ -~]*")


@dataclass
class Settings:
    """Resolved connection settings."""

    address: str
    namespace: str
    api_key: str | None = field(repr=False)
    tls: bool | TLSConfig
    metadata: Mapping[str, str] = field(repr=False)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Host and port of the address."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)


def resolve(options: ConnectionOptions, permissions: Permissions = EVERYTHING) -> Settings:
    """Complete the options from the environment configuration and the defaults.

    Raises BuiltinError, which names the option and never contains secrets, and DeniedError for a file.
    """
    if options.config_file is not None:
        permissions.path("read", os.fsencode(options.config_file))
    environment = _environment(options)
    address = options.url if options.url is not None else environment.get("target_host", "localhost:7233")
    if "://" in address:
        raise BuiltinError(f"bad option 'url' (host:port without http:// expected, got '{address}')")
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise BuiltinError(f"bad option 'url' (host:port expected, got '{address}')")
    api_key = options.api_key if options.api_key is not None else environment.get("api_key")
    if api_key is not None and not (api_key and _PRINTABLE_ASCII.fullmatch(api_key)):
        raise BuiltinError("bad option 'api_key' (must be non-empty printable ASCII)")
    tls_config = tls.merge(environment.get("tls"), options.tls, permissions)
    if tls_config is None:
        tls_config = api_key is not None
    if isinstance(tls_config, TLSConfig):
        tls.check(tls_config)
    return Settings(
        address=address,
        namespace=options.namespace if options.namespace is not None else environment.get("namespace", "default"),
        api_key=api_key,
        tls=tls_config,
        metadata={**environment.get("rpc_metadata", {}), **headers(options.metadata or {}, "metadata")},
    )


def _environment(options: ConnectionOptions) -> Mapping[str, Any]:
    if options.config_file is not None and not os.path.isfile(options.config_file):
        raise BuiltinError(f"bad option 'config_file' ({options.config_file}: no such file)")
    try:
        return ClientConfig.load_client_connect_config(profile=options.profile, config_file=options.config_file)
    except OSError as error:
        raise BuiltinError(f"Temporal configuration: {error.filename}: {error.strerror}") from None
    except (RuntimeError, ValueError) as error:
        raise BuiltinError(_describe_error(str(error), options)) from None


def _describe_error(text: str, options: ConnectionOptions) -> str:
    """Describe a configuration error. The parser's own message would quote lines of the file, which may be secret."""
    if "not found" in text and "rofile" in text:
        profile = options.profile or os.environ.get("TEMPORAL_PROFILE", "default")
        return f"bad option 'profile' (no profile '{profile}' in {_file_name(options)})"
    position = re.search(r"line (\d+), column (\d+)", text)
    if position:
        return f"bad option 'config_file' ({_file_name(options)}, line {position[1]}: invalid Temporal configuration)"
    return f"Temporal configuration: {text.splitlines()[0]}"


def _file_name(options: ConnectionOptions) -> str:
    return options.config_file or os.environ.get("TEMPORAL_CONFIG_FILE") or "temporal.toml"


def headers(values: Mapping[str, str], option: str) -> Mapping[str, str]:
    """Validate the gRPC headers of an option. Raises BuiltinError, which never contains a value."""
    for name, value in values.items():
        if not _HEADER_NAME.fullmatch(name) or name.endswith("-bin"):
            problem = f"invalid header name '{name}': use a-z, 0-9 and '-'; '-bin' headers are not supported"
            raise BuiltinError(f"bad option '{option}' ({problem})")
        if not _PRINTABLE_ASCII.fullmatch(value):
            raise BuiltinError(f"bad option '{option}.{name}' (must be printable ASCII)")
    return values
