"""Test results as JUnit XML, for CI systems."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from assay.testing.runner import FileResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(path: str, results: Iterable[FileResult]) -> None:
    """Write the results to a file. Raise OSError."""
    suites = ElementTree.Element("testsuites")
    for result in results:
        tests = result.tests
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=result.path,
            tests=str(len(tests)),
            failures=str(sum(bool(test.message) for test in tests)),
            time=f"{sum(test.seconds for test in tests):.3f}",
        )
        for test in tests:
            name = _clean(test.name or "(the file)")
            case = ElementTree.SubElement(suite, "testcase", classname=result.path, name=name)
            case.set("time", f"{test.seconds:.3f}")
            if test.message:
                failure = ElementTree.SubElement(case, "failure", message=_clean(test.message))
                failure.text = _clean(test.traceback)
            if test.output:
                ElementTree.SubElement(case, "system-out").text = _clean(test.output)
    ElementTree.indent(suites)
    ElementTree.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
