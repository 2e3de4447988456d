"""Scripts that use the `db` global."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import LuaError
from web_peers import Script

TABLE = """
local url = ...
local c = db.connect(url)
c:execute("drop table if exists t")
c:execute("create table t (id integer primary key, name varchar(50) unique)")
"""
"""The beginning of a script that is run with a database URL: it connects and creates an empty table `t`."""


def dialect(url: str) -> str:
    """Return the kind of database at a URL: "sqlite", "postgres" or "mysql"."""
    return url.partition(":")[0]


async def error(script: Script, code: str, *arguments: Any) -> dict[str, Any]:
    """Return the fields of the error that a chunk raises."""
    with pytest.raises(LuaError) as caught:
        await script.run(code, *arguments)
    value: dict[str, Any] = caught.value.value or {"message": caught.value.message}
    return value
