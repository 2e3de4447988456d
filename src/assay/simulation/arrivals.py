"""The messages of clients: signals, updates, a cancellation request and queries, each at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import jobs
from assay.simulation.choices import Choices
from assay.simulation.clock import SECOND, START
from assay.simulation.execution import Execution
from assay.simulation.plan import Message, Plan
from assay.simulation.updates import Update
from assay.simulation.violation import Violation

Send = Callable[[Execution], "Violation | None"]
"""Sends a message to a run; returns a violation if the message reveals one."""


@dataclass(frozen=True)
class Arrival:
    """A message that may arrive.

    Attributes:
        moment: Moment of its arrival, counted from 1; 0 if no moment was chosen.
        send: Sends it.
        is_required: Send it without a moment as well, once the workflow is idle.
    """

    moment: int
    send: Send
    is_required: bool = False


@dataclass
class SentSignal:
    """A signal that was sent.

    Attributes:
        name: Name of the signal.
        input: The input.
        at: Time in seconds since the start of the simulation.
    """

    name: str
    input: Json | None
    at: float


@dataclass
class SentUpdate:
    """An update that was sent, with its input."""

    update: Update
    input: Json | None


class Arrivals:
    """The messages of a schedule: pending and sent."""

    def __init__(self, plan: Plan, choices: Choices, horizon: int) -> None:
        """Choose the moment of each message, up to `horizon`."""
        self._choices = choices
        self.signals: list[SentSignal] = []
        self.updates: list[SentUpdate] = []
        self._pending: list[Arrival] = []
        counts: dict[str, int] = {}
        for message in plan.messages:
            for number in range(1, message.max_count + 1):
                title = f"{message.kind} {message.name}"
                counts[title] = counts.get(title, 0) + 1
                name = f"{title} {counts[title]}"
                send = self._sender(message, name)
                self._pending.append(Arrival(choices.moment(name, horizon), send, number <= message.min_count))
        if plan.may_cancel:
            self._pending.append(Arrival(choices.moment("cancel", horizon, 0.5), _cancel))
        for query in plan.queries:
            self._pending.append(Arrival(choices.moment(f"query {query}", horizon, 0.3), _query_sender(query)))

    def due(self, moment: int) -> list[Send]:
        """Remove and return the messages that arrive at a moment."""
        due = [arrival for arrival in self._pending if arrival.moment == moment]
        for arrival in due:
            self._pending.remove(arrival)
        return [arrival.send for arrival in due]

    def required(self, *, is_last_chance: bool) -> Send | None:
        """Remove and return the next required message; one that has a moment only if `is_last_chance`."""
        for arrival in self._pending:
            if arrival.is_required and (arrival.moment == 0 or is_last_chance):
                self._pending.remove(arrival)
                return arrival.send
        return None

    def _sender(self, message: Message, name: str) -> Send:
        def send(run: Execution) -> None:
            numbers = range(1, len(message.inputs) + 1)
            value = message.inputs[self._choices.pick(f"{name}, number of its input", numbers, "inputs") - 1]
            arguments = [] if value is None else jobs.arguments([value])
            if message.kind == "signal":
                self.signals.append(SentSignal(message.name, value, (run.world.clock.now - START) / SECOND))
                run.signal(message.name, arguments)
            else:
                id = name.replace(" ", "-")
                update = Update(id, message.name, jobs.update(id, message.name, arguments))
                self.updates.append(SentUpdate(update, value))
                run.admit(update)

        return send


def _cancel(run: Execution) -> None:
    run.request_cancel()


def _query_sender(query: str) -> Send:
    def send(run: Execution) -> Violation | None:
        if run.core.run is None or run.task is not None:
            return None
        try:
            run.core.query(query, None, run.world.clock.now, len(run.history))
        except LuaError as error:
            return Violation("query", f"query '{query}' failed: {error.message}", error.traceback)
        return None

    return send
