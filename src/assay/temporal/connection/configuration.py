"""What the connection options and Temporal's environment configuration say together."""

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
_HEADER_TEXT = re.compile(r"[ -~]*")


@dataclass
class Settings:
    """Where and how to connect."""

    address: str
    namespace: str
    api_key: str | None = field(repr=False)
    tls: bool | TLSConfig
    metadata: Mapping[str, str] = field(repr=False)

    @property
    def place(self) -> tuple[str, int]:
        """The host and the port."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)


def resolve(options: ConnectionOptions, permissions: Permissions = EVERYTHING) -> Settings:
    """The options, and what they leave out.

    Raises BuiltinError, which names the option and never shows a secret, and DeniedError for a file.
    """
    if options.config_file is not None:
        permissions.path("read", os.fsencode(options.config_file))
    known = _environment(options)
    address = options.url if options.url is not None else known.get("target_host", "localhost:7233")
    if "://" in address:
        raise BuiltinError(f"bad option 'url' (host:port without http:// expected, got '{address}')")
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise BuiltinError(f"bad option 'url' (host:port expected, got '{address}')")
    api_key = options.api_key if options.api_key is not None else known.get("api_key")
    if api_key is not None and not (api_key and _HEADER_TEXT.fullmatch(api_key)):
        raise BuiltinError("bad option 'api_key' (must be non-empty printable ASCII)")
    secured = tls.merge(known.get("tls"), options.tls, permissions)
    if secured is None:
        secured = api_key is not None
    if isinstance(secured, TLSConfig):
        tls.check(secured)
    return Settings(
        address=address,
        namespace=options.namespace if options.namespace is not None else known.get("namespace", "default"),
        api_key=api_key,
        tls=secured,
        metadata={**known.get("rpc_metadata", {}), **headers(options.metadata or {}, "metadata")},
    )


def _environment(options: ConnectionOptions) -> Mapping[str, Any]:
    if options.config_file is not None and not os.path.isfile(options.config_file):
        raise BuiltinError(f"bad option 'config_file' ({options.config_file}: no such file)")
    try:
        return ClientConfig.load_client_connect_config(profile=options.profile, config_file=options.config_file)
    except OSError as error:
        raise BuiltinError(f"Temporal's configuration: {error.filename}: {error.strerror}") from None
    except (RuntimeError, ValueError) as error:
        raise BuiltinError(_configuration_problem(str(error), options)) from None


def _configuration_problem(text: str, options: ConnectionOptions) -> str:
    """What is wrong with the configuration; a parser's own words would show lines of the file, and so secrets."""
    if "not found" in text and "rofile" in text:
        profile = options.profile or os.environ.get("TEMPORAL_PROFILE", "default")
        return f"bad option 'profile' (no profile '{profile}' in {_file_name(options)})"
    place = re.search(r"line (\d+), column (\d+)", text)
    if place:
        return f"bad option 'config_file' ({_file_name(options)}, line {place[1]}: not TOML that Temporal knows)"
    return f"Temporal's configuration: {text.splitlines()[0]}"


def _file_name(options: ConnectionOptions) -> str:
    return options.config_file or os.environ.get("TEMPORAL_CONFIG_FILE") or "temporal.toml"


def headers(given: Mapping[str, str], option: str) -> Mapping[str, str]:
    """GRPC headers of an option. Raises BuiltinError, which never shows a text."""
    for name, text in given.items():
        if not _HEADER_NAME.fullmatch(name) or name.endswith("-bin"):
            problem = f"invalid header name '{name}': use a-z, 0-9 and '-'; '-bin' headers are not supported"
            raise BuiltinError(f"bad option '{option}' ({problem})")
        if not _HEADER_TEXT.fullmatch(text):
            raise BuiltinError(f"bad option '{option}.{name}' (must be printable ASCII)")
    return given
