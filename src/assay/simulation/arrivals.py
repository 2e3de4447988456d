"""Messages from outside: signals, updates, a cancel request and queries, each at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import jobs
from assay.simulation.agenda import SECOND, START
from assay.simulation.choices import Choices
from assay.simulation.execution import Execution, Update
from assay.simulation.plan import Message, Plan
from assay.simulation.violation import Violation

Send = Callable[[Execution], "Violation | None"]
"""Sends a message to a run; returns a fault that it reveals."""


@dataclass(frozen=True)
class Arrival:
    """A message that may come.

    Attributes:
        moment: When it comes, counted from 1; 0 for never, unless it is required.
        send: Sends it.
        is_required: It comes at rest if it has not come before.
    """

    moment: int
    send: Send
    is_required: bool = False


@dataclass
class SentSignal:
    """A signal that was sent.

    Attributes:
        name: Its name.
        input: Its input.
        at: Seconds since the start.
    """

    name: str
    input: Json | None
    at: float


@dataclass
class SentUpdate:
    """An update that was sent, and its input."""

    update: Update
    input: Json | None


class Arrivals:
    """The messages of a schedule: those that are still to come, and those that have been sent."""

    def __init__(self, plan: Plan, choices: Choices, horizon: int) -> None:
        """Choose the moments, up to `horizon`."""
        self._choices = choices
        self.signals: list[SentSignal] = []
        self.updates: list[SentUpdate] = []
        self._left: list[Arrival] = []
        count: dict[str, int] = {}
        for message in plan.messages:
            for number in range(1, message.most + 1):
                title = f"{message.kind} {message.name}"
                count[title] = count.get(title, 0) + 1
                name = f"{title} {count[title]}"
                send = self._sender(message, name)
                self._left.append(Arrival(choices.moment(name, horizon), send, number <= message.fewest))
        if plan.may_cancel:
            self._left.append(Arrival(choices.moment("cancel", horizon, 0.5), _cancel))
        for query in plan.queries:
            self._left.append(Arrival(choices.moment(f"query {query}", horizon, 0.3), _asker(query)))

    def due(self, moment: int) -> list[Send]:
        """Take the messages that come at a moment."""
        due = [arrival for arrival in self._left if arrival.moment == moment]
        for arrival in due:
            self._left.remove(arrival)
        return [arrival.send for arrival in due]

    def required(self, *, is_last_chance: bool) -> Send | None:
        """Take the next required message; one with a moment of its own only when nothing else can happen."""
        for arrival in self._left:
            if arrival.is_required and (arrival.moment == 0 or is_last_chance):
                self._left.remove(arrival)
                return arrival.send
        return None

    def _sender(self, message: Message, name: str) -> Send:
        def send(run: Execution) -> None:
            inputs = range(len(message.inputs))
            value = message.inputs[self._choices.pick(f"{name} brings number", inputs, "inputs")]
            given = [] if value is None else jobs.arguments([value])
            if message.kind == "signal":
                self.signals.append(SentSignal(message.name, value, (run.world.agenda.now - START) / SECOND))
                run.signal(message.name, given)
            else:
                id = name.replace(" ", "-")
                update = Update(id, message.name, jobs.update(id, message.name, given))
                self.updates.append(SentUpdate(update, value))
                run.admit(update)

        return send


def _cancel(run: Execution) -> None:
    run.request_cancel()


def _asker(query: str) -> Send:
    def ask(run: Execution) -> Violation | None:
        if run.core.run is None or run.task is not None:
            return None
        try:
            run.core.query(query, None, run.world.agenda.now, len(run.history))
        except LuaError as error:
            return Violation("query", f"query '{query}' fails: {error.message}", error.traceback)
        return None

    return ask
