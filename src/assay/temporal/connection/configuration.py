"""Connection settings: the connection options combined with Temporal's environment configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.envconfig import ClientConfigProfile
from temporalio.service import TLSConfig

from assay.errors import BuiltinError
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.connection import certificates, tls
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.connection.sources import Sources

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

    Raises BuiltinError, which names the option, the variable or the file and never contains secrets, and DeniedError
    for a file.
    """
    if options.config_file is not None:
        permissions.path("read", os.fsencode(options.config_file))
    sources, environment = _environment(options)
    address = options.url if options.url is not None else environment.get("target_host", "localhost:7233")
    if "://" in address:
        raise BuiltinError(f"bad {sources.name('url')} (host:port without http:// expected, got '{address}')")
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise BuiltinError(f"bad {sources.name('url')} (host:port expected, got '{address}')")
    api_key = options.api_key if options.api_key is not None else environment.get("api_key")
    if api_key is not None and not (api_key and _PRINTABLE_ASCII.fullmatch(api_key)):
        raise BuiltinError(f"bad {sources.name('api_key')} (must be non-empty printable ASCII)")
    tls_config = tls.merge(environment.get("tls"), options.tls, permissions)
    if tls_config is None:
        tls_config = api_key is not None
    if isinstance(tls_config, TLSConfig):
        certificates.check(tls_config, sources)
    return Settings(
        address=address,
        namespace=options.namespace if options.namespace is not None else environment.get("namespace", "default"),
        api_key=api_key,
        tls=tls_config,
        metadata={**environment.get("rpc_metadata", {}), **headers(options.metadata or {}, "metadata")},
    )


def _environment(options: ConnectionOptions) -> tuple[Sources, Mapping[str, Any]]:
    """Read the environment configuration. Raises BuiltinError for what Temporal's parser would ignore, too."""
    sources = Sources(options)
    if options.config_file is not None and not os.path.isfile(options.config_file):
        raise BuiltinError(f"bad option 'config_file' ({options.config_file}: no such file)")
    if not os.path.exists(os.environ.get("TEMPORAL_CONFIG_FILE") or os.devnull) and options.config_file is None:
        raise BuiltinError(f"bad {sources.name('config_file')} ({sources.file_name}: no such file)")
    use_tls = os.environ.get("TEMPORAL_TLS", "")
    if options.tls is None and use_tls.lower() not in ("", "true", "1", "false", "0"):
        raise BuiltinError(f"bad environment variable 'TEMPORAL_TLS' ('true' or 'false' expected, got '{use_tls}')")
    file = Path(options.config_file) if options.config_file else None
    try:
        profile = ClientConfigProfile.load(profile=options.profile, config_source=file)
        sources = Sources(options, profile)
        return sources, profile.to_client_connect_config()
    except OSError as error:
        source = sources.of_file(str(error.filename))
        name = "Temporal configuration:" if source is None else f"bad {source}"
        reason = f"{error.filename}: {error.strerror}"
        raise BuiltinError(f"{name} {reason}" if source is None else f"{name} ({reason})") from None
    except (RuntimeError, ValueError) as error:
        raise BuiltinError(_describe_error(str(error), sources)) from None


def _describe_error(text: str, sources: Sources) -> str:
    """Describe a configuration error. The parser's own message would quote lines of the file, which may be secret."""
    if "not found" in text and "rofile" in text:
        return f"bad {sources.name('profile')} (no profile '{sources.profile_name}' in {sources.file_name})"
    position = re.search(r"line (\d+), column (\d+)", text)
    if position:
        where = f"{sources.file_name}, line {position[1]}"
        return f"bad {sources.name('config_file')} ({where}: invalid Temporal configuration)"
    return f"Temporal configuration: {text.splitlines()[0]}"


def headers(values: Mapping[str, str], option: str) -> Mapping[str, str]:
    """Validate the gRPC headers of an option. Raises BuiltinError, which never contains a value."""
    for name, value in values.items():
        if not _HEADER_NAME.fullmatch(name) or name.endswith("-bin"):
            problem = f"invalid header name '{name}': use a-z, 0-9 and '-'; '-bin' headers are not supported"
            raise BuiltinError(f"bad option '{option}' ({problem})")
        if not _PRINTABLE_ASCII.fullmatch(value):
            raise BuiltinError(f"bad option '{option}.{name}' (must be printable ASCII)")
    return values
