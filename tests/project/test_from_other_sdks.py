"""The names in the tables for users of other SDKs exist: those of assay, and those of the Python SDK."""

from __future__ import annotations

import re

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

from guides import ROOT

GUIDE = ROOT / "docs" / "from-other-sdks.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in GUIDE.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| assay", "| ---", "| symptom")) and line.count(" | ") == 3
]
DOCUMENTED = {
    name
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(r"^#+ `([\w.:]+)\(", page.read_text("utf-8"), re.MULTILINE)
}
OWNERS = {"workflow": workflow, "activity": activity, "client": Client, "handle": WorkflowHandle}


def test_the_tables_are_read() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize("cell", [row[0] for row in ROWS])
def test_a_name_of_assay_is_documented(cell: str) -> None:
    names = re.findall(r"`((?:(?:ctx|client|client\.schedules|future):|(?:activity|temporal|test|log)\.)\w+)", cell)
    assert [name for name in names if name not in DOCUMENTED] == []


@pytest.mark.parametrize("cell", [row[1] for row in ROWS])
def test_a_name_of_the_python_sdk_exists(cell: str) -> None:
    for owner, name in re.findall(r"`@?(workflow|activity|client|handle)\.(\w+)", cell):
        assert hasattr(OWNERS[owner], name) or name == "cancel", name  # a handle of an activity is a task of asyncio
