"""The display of `assay dev`, without a terminal."""

from __future__ import annotations

import re
import time

import pytest
from rich.cells import cell_len

from assay.cli.dev.details import as_text
from assay.cli.dev.picture import Status, draw, summarize
from assay.cli.dev.region import Region
from assay.cli.dev.report import Failure, Finished, Queue, Report, Run, Wait
from assay.cli.dev.view import Page, View, keys

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def report(runs: int, more: int = 0) -> Report:
    waits = [Wait("signal 'approve'", time.time() + 60, "worker.lua:17"), Wait("activity 'x' [1]", attempt=3)]
    return Report(
        queues=[Queue("orders", ["Order", "Refund"], [f"activity_{i}" for i in range(30)])],
        runs=[Run("Order", f"order-{i}-日本-{'x' * i}", list(waits), "[bold] details") for i in range(runs)],
        more=more,
        failures=[Failure(time.time(), f"Order order-{i}", "worker.lua:9", "boom " * 20) for i in range(9)],
    )


def plain(lines: list[str]) -> list[str]:
    return [_COLORS.sub("", line) for line in lines]


@pytest.mark.parametrize("width", [12, 60, 80, 250])
@pytest.mark.parametrize("height", [4, 12, 24, 100])
@pytest.mark.parametrize("runs", [0, 1, 30])
def test_it_fits(width: int, height: int, runs: int) -> None:
    status = Status("127.0.0.1:7233", "http://127.0.0.1:8233", ("Not reloaded", "x.lua", "red"), ["x.lua:1: boom"])
    lines = plain(draw(status, report(runs, 170 if runs == 30 else 0), width, height))
    assert len(lines) <= height
    assert all(cell_len(line) < width for line in lines)


def test_the_number_of_omitted_workflows_is_shown() -> None:
    lines = plain(draw(Status("here"), report(30, 170), 80, 24))
    assert "200 open workflows" in lines
    shown = sum("  Order order-" in line and "signal" in line for line in lines)
    assert f"  … and {200 - shown} more" in [line.rstrip() for line in lines]
    assert shown >= 3
    assert "… and" not in "".join(plain(draw(Status("here"), report(3), 80, 40)))


def test_words() -> None:
    text = "\n".join(plain(draw(Status("here"), report(1), 120, 40)))
    assert re.search(r"Order order-0-日本- +worker.lua:17 +signal 'approve' until \d\d:\d\d:\d\d\n", text)
    assert re.search(r"activity 'x' \[1\], attempt 3\n", text)
    assert "[bold] details" in text
    assert "1 open workflow\n" in text
    assert "no open workflows" in "\n".join(plain(draw(Status("here"), report(0), 120, 40)))


def test_long_ids_are_whole() -> None:
    ids = [f"customer-{'0123456789' * 4}-{last}" for last in ("one", "two")] + ["x" * 100]
    runs = [Run("Order", workflow_id, [Wait("timer")]) for workflow_id in ids]
    lines = plain(draw(Status("here"), Report(runs=runs), 80, 40))
    assert f"  Order {ids[0]}\n      timer\n  Order {ids[1]}\n      timer\n" in "\n".join(lines)
    assert "x" * 100 in "".join(lines)


def test_finished_workflows_are_shown_with_their_results() -> None:
    finished = [Finished(time.time(), "Order", f"order-{i}", "r", "default", '{"paid": 3}') for i in range(9)]
    lines = plain(draw(Status("here"), Report(finished=finished), 80, 40))
    at = lines.index("last finished")
    assert re.search(r"  \d\d:\d\d:\d\d  Order order-0  {\"paid\": 3}", lines[at + 1])
    assert len(lines) == at + 6


def test_on_a_low_terminal_most_lines_are_for_open_workflows() -> None:
    lines = plain(draw(Status("127.0.0.1:7233", "http://127.0.0.1:8233"), report(30), 100, 14))
    assert "server      127.0.0.1:7233  http://127.0.0.1:8233" in lines
    assert "task queue  orders  2 workflows  30 activities" in lines
    assert sum(line.startswith("  Order order-") for line in lines) >= 5


def named(count: int) -> list[Run]:
    return [Run("Order", f"order-{i}", [Wait("timer"), Wait("signal 'x'")], run_id=f"run-{i}") for i in range(count)]


def test_the_selected_workflow_is_always_in_sight() -> None:
    shown, view = Report(runs=named(50), more=7), View(has_keys=True)
    for key, expected in [("down", 0), ("down", 1), ("page down", None), ("end", 49), ("up", 48), ("home", 0)]:
        view.move(key, shown.runs)
        lines = plain(draw(Status("here"), shown, 80, 14, view))
        marked = [line for line in lines if line.startswith("›")]
        assert len(marked) == 1
        if expected is not None:
            assert f"Order order-{expected} " in marked[0]
        assert len(lines) <= 14
    view.move("end", shown.runs)
    lines = plain(draw(Status("here"), shown, 80, 14, view))
    assert "  … and 7 more" in lines
    assert any(re.fullmatch(r"  … \d+ above", line) for line in lines)


def test_a_selected_workflow_is_deselected_when_it_ends() -> None:
    view = View()
    view.move("down", named(3))
    assert view.selected == "run-0"
    draw(Status("here"), Report(runs=named(3)[1:]), 80, 24, view)
    assert view.selected == ""


def test_a_page_scrolls() -> None:
    view = View(page=Page([f"line {i}" for i in range(100)]))
    assert view.page is not None
    lines = plain(draw(Status("here"), Report(), 80, 14, view))
    assert lines[1] == "↑↓ scroll, o Web UI, Esc back"
    assert "line 0" in lines
    assert lines[-1] == f"… {100 - view.page.shown} more lines"
    view.page.move("end")
    lines = plain(draw(Status("here"), Report(), 80, 14, view))
    assert lines[-1] == "line 99"
    view.page.move("page up")
    assert view.page.top == 100 - 2 * view.page.shown


def test_keys_have_names() -> None:
    assert [*keys(b"\x1b[A\x1bOBx\x1b[6~\rjo\x1b")] == ["up", "down", "page down", "enter", "down", "open", "back"]


def test_markdown_becomes_text() -> None:
    assert as_text("waiting for **two** approvals of [jane](http://x)") == "waiting for two approvals of jane"
    assert as_text("# Release\n\n- first\n- `second`\n") == "Release · first · second"
    assert as_text("") == ""


def test_without_a_report_no_claim_about_open_workflows_is_made() -> None:
    text = "\n".join(plain(draw(Status("here"), Report(problem="here does not answer"), 80, 40)))
    assert re.search(r"not updated +here does not answer", text)
    assert "no open workflows" not in text


def test_an_unchanged_picture_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    size = [(80, 24)]
    region = Region()
    monkeypatch.setattr(region, "write", written.append)
    monkeypatch.setattr(region, "size", lambda: size[0])
    region.draw(["one", "two"])
    region.draw(["one", "two"])
    assert len(written) == 1
    region.draw(["one", "two"], b"above\n")
    region.draw(["one"])
    size[0] = 40, 24
    region.draw(["one"])
    assert len(written) == 4


def test_each_workflow_that_does_not_match_stays_with_its_new_step() -> None:
    probed = "\n".join(
        f"""Order '{name}' is open and does not match the new code:
  Activity type of scheduled event differs

  --- history
  +++ script
  -  event 5        activity 'pay'
  +  worker.lua:29  activity 'charge'

  stack traceback:
      worker.lua:29: in function <worker.lua:20>"""
        for name in ("o1", "o2", "o3")
    )
    assert summarize(probed) == [
        "Order 'o1' is open and does not match the new code",
        "  +  worker.lua:29  activity 'charge'",
        "Order 'o2' is open and does not match the new code",
        "  +  worker.lua:29  activity 'charge'",
    ]
    assert summarize("x.lua:1: boom\nstack traceback:\n\t[C]: in ?") == ["x.lua:1: boom"]


def test_control_codes_are_removed() -> None:
    sent = Report(runs=[Run("A", "\x1b[2J\r\n", [Wait("signal '\x07'")])]).to_line()
    assert sent.count(b"\n") == 1
    got = Report.from_line(sent)
    assert got.runs == [Run("A", "·[2J··", [Wait("signal '·'")])]


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36m" in "".join(draw(Status("here"), report(1), 80, 24))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", "".join(draw(Status("here"), report(1), 80, 24)))
