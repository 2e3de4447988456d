"""`yaml`: parse and encode YAML 1.2."""

from __future__ import annotations

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Value

library = Library(
    "yaml",
    """Parse and encode YAML.

    Types follow the core schema of YAML 1.2: `yes`, `no`, `on`, `off` and dates are strings, and tags outside the core
    schema are errors. Keys become strings, as in JSON; a null is an absent key in a mapping and `json.null` in a
    sequence; empty sequences stay arrays.

    The key `<<` merges a mapping, or a sequence of mappings, into its own mapping: existing keys take precedence, then
    the first mapping that has a key. A quoted `"<<"` is a normal key.
    """,
)

_WORKFLOW_BYTES = 128 * 1024


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def parse(host: Host, text: str) -> Value:
    """Parse one document; return nil for an empty one.

    Duplicate keys, tags outside the core schema and more than one document are errors, with line and column. So are
    aliases that expand a document beyond ten times its length plus one million characters.

    Args:
        text: The document.
    """
    from assay.builtins.yaml import reader

    return reader.read(text, host.policy.must_be_quick)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def parse_all(host: Host, text: str) -> list[Value]:
    """Parse a stream of documents; return an array of them, with `json.null` for an empty one.

    Args:
        text: The documents.
    """
    from assay.builtins.yaml import reader

    return reader.read_all(text, host.policy.must_be_quick)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def encode(value: Value) -> str:
    """Encode a value as one document in block style, with sorted keys.

    Strings that a YAML 1.1 parser would read as another type (`yes`, `2026-11-23`) are quoted. A string that is not
    valid UTF-8 is an error.

    Args:
        value: A table, string, number or boolean.
    """
    from assay.builtins.yaml import writer

    return writer.write(value)
