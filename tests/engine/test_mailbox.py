"""The distribution of buffered signals to handlers and tasks."""

from __future__ import annotations

from typing import Any, cast

from assay.temporal.workflow.run.mailbox import Handler, Mailbox

HANDLER = Handler(run=cast(Any, print))


def test_a_dynamic_handler_does_not_get_a_signal_that_a_task_waits_for() -> None:
    mailbox = Mailbox()
    mailbox.signals.dynamic = HANDLER
    mailbox.expect("approve")
    mailbox.keep("approve", [])
    assert not mailbox.has_signals_for_handlers()


def test_a_dynamic_handler_gets_signals_of_other_names() -> None:
    mailbox = Mailbox()
    mailbox.signals.dynamic = HANDLER
    mailbox.expect("approve")
    mailbox.keep("note", [])
    assert mailbox.has_signals_for_handlers()


def test_a_named_handler_gets_its_signal() -> None:
    mailbox = Mailbox()
    mailbox.signals.named["note"] = HANDLER
    mailbox.expect("note")
    mailbox.keep("note", [])
    assert mailbox.has_signals_for_handlers()


def test_without_a_handler_nothing_is_for_handlers() -> None:
    mailbox = Mailbox()
    mailbox.keep("note", [])
    assert not mailbox.has_signals_for_handlers()
