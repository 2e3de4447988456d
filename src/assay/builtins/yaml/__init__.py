"""`yaml`: parse and encode YAML 1.2."""

from __future__ import annotations

from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.values import Value

library = Library(
    "yaml",
    """Parse and encode YAML.

    The types are those of YAML 1.2's core schema: `yes`, `no`, `on`, `off` and dates are strings, and other tags than
    the core ones are errors. Keys become strings, as in JSON; a null is an absent key in a mapping and `json.null` in
    a sequence; empty sequences stay arrays.

    The key `<<` merges a mapping, or a sequence of mappings, into the one that it is in: keys that are there stay, and
    of several mappings the first wins. In quotes it is a key like others.
    """,
)

_WORKFLOW_BYTES = 128 * 1024


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def parse(host: Host, text: str) -> Value:
    """Parse one document; nil for an empty one.

    A key that occurs twice, a tag of another schema, and more than one document are errors that name line and column.
    So are aliases that expand a text beyond ten times its length and one million characters.

    Args:
        text: YAML text.
    """
    from assay.builtins.yaml import reader

    return reader.read(text, host.policy.must_be_quick)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def parse_all(host: Host, text: str) -> list[Value]:
    """Parse any number of documents and return an array of them; an empty one is `json.null`.

    Args:
        text: YAML text.
    """
    from assay.builtins.yaml import reader

    return reader.read_all(text, host.policy.must_be_quick)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def encode(value: Value) -> str:
    """Encode a value as one document in block style, with sorted keys.

    Strings that a YAML 1.1 reader would take for something else (`yes`, `2026-11-23`) are quoted. A string that is not
    UTF-8 text is an error.

    Args:
        value: A table, string, number or boolean.
    """
    from assay.builtins.yaml import writer

    return writer.write(value)
