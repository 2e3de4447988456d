"""Catalogue of the events that assay logs and counts. The name and the code of an event never change.

Names appear in the field `event` of JSON log lines and in the metric `assay_worker_events`; codes also end log lines in
text format. `docs/errors.md` lists all events; a test compares it with this file.
"""

from __future__ import annotations

from typing import NamedTuple  # a dataclass would import `inspect`, which takes longer than a short script


class Event(NamedTuple):
    """A kind of event.

    Attributes:
        name: Subject and verb, such as "workflow.failed".
        code: Unique code, such as "ASSAY2006". The first digit is the area.
        level: Log level, as in `logging`.
        meaning: Description of what happened.
        remedy: Recommended action.
    """

    name: str
    code: str
    level: int
    meaning: str
    remedy: str

    @property
    def severity(self) -> str:
        """Name of the level in log lines: "info", "warn" or "error"."""
        return {_I: "info", _W: "warn", _E: "error"}[self.level]


CATALOGUE: dict[str, Event] = {}
"""All events by code."""


def _event(code: str, name: str, level: int, meaning: str, remedy: str) -> Event:
    assert code not in CATALOGUE
    event = CATALOGUE[code] = Event(name, code, level, meaning, remedy)
    return event


_I, _W, _E = 20, 30, 40  # as in `logging`, whose import would slow down short scripts

# The process, the worker and its server -----------------------------------------------------------------------------

SCRIPT_FAILED = _event(
    "ASSAY1001", "script.failed", _E,
    "The script failed with an error; the process exits with code 1.",
    "The message names the cause. `assay doctor` checks the server, the connection and the configuration.",
)  # fmt: skip
SCRIPT_FINDING = _event(
    "ASSAY1002", "script.finding", _W,
    "`assay check` found a problem in the script that is starting.",
    "Run `assay check` on the script and fix it.",
)  # fmt: skip
SERVER_UNREACHABLE = _event(
    "ASSAY1003", "server.unreachable", _W,
    "The Temporal server does not respond. The worker keeps retrying.",
    "Check the server and the network. `assay doctor` shows which step of the connection fails.",
)  # fmt: skip
SERVER_REACHABLE = _event(
    "ASSAY1004", "server.reachable", _W,
    "The Temporal server responds again.",
    "Nothing.",
)  # fmt: skip
SERVER_REFUSES = _event(
    "ASSAY1005", "server.refuses", _W,
    "The server responds but rejects the worker's polls. The worker keeps retrying.",
    "Check the API key, its permissions and the namespace: the message quotes the server.",
)  # fmt: skip
RESULT_LOST = _event(
    "ASSAY1006", "task.result_lost", _W,
    "The result of a task did not reach the server, or the server rejected it.",
    "Nothing, if it is rare: the server dispatches the task again after its timeout.",
)  # fmt: skip
TASK_NOT_STARTED = _event(
    "ASSAY1007", "task.not_started", _E,
    "A task from the server could not be started because of an error in assay.",
    "Run with `--verbose` and report the message.",
)  # fmt: skip
ACTIVITIES_ABANDONED = _event(
    "ASSAY1008", "worker.activities_abandoned", _W,
    "Activities were still running when `graceful_shutdown_timeout` expired.",
    "Raise `graceful_shutdown_timeout`, or let activities check `activity.is_cancelled`.",
)  # fmt: skip
CORE_ERROR = _event(
    "ASSAY1009", "core.error", _E,
    "Temporal's Core, the native part of the worker, logged an error.",
    "The message is Core's. Report it if it recurs.",
)  # fmt: skip
SDK_LOG = _event(
    "ASSAY1010", "sdk.log", _W,
    "Temporal's Python SDK logged a warning or an error.",
    "The message is the SDK's.",
)  # fmt: skip
PROCESS_DIED = _event(
    "ASSAY1011", "process.died", _W,
    "One of the processes of `assay run --processes` died. It is restarted.",
    "See the last lines of its log; an unexpected SIGKILL is often the kernel's out-of-memory killer.",
)  # fmt: skip
PROCESS_UNSTABLE = _event(
    "ASSAY1012", "process.unstable", _E,
    "A process of `assay run --processes` died five times in a row, soon after each start. All processes stop.",
    "See the last lines of its log.",
)  # fmt: skip
SPAWNED_TASK_FAILED = _event(
    "ASSAY1013", "script.task_failed", _E,
    "A task of `async.spawn` or a callback raised an error that no Lua code caught.",
    "Await the task, or catch its errors with `pcall`.",
)  # fmt: skip

SCRIPT_RELOADED = _event(
    "ASSAY1014", "script.reloaded", _I,
    "`assay run --watch` reloaded the script after a change; all open workflows match the new code.",
    "Nothing.",
)  # fmt: skip
SCRIPT_NOT_RELOADED = _event(
    "ASSAY1015", "script.not_reloaded", _E,
    "`assay run --watch` rejected a change: the script does not run, or an open workflow does not match it.",
    "The field `report` has the reason. Restore or fix the files; the previous version runs until then.",
)  # fmt: skip
SCRIPT_NOT_WATCHED = _event(
    "ASSAY1016", "script.not_watched", _W,
    "`assay run --watch` cannot watch the files of the script, so changes are not noticed.",
    "The message quotes the operating system: often a limit on watches.",
)  # fmt: skip
WORKER_STARTED = _event(
    "ASSAY1017", "worker.started", _I,
    "The worker is connected to the server and polls its task queue.",
    "Nothing.",
)  # fmt: skip
WORKER_DRAINING = _event(
    "ASSAY1018", "worker.draining", _I,
    "The worker has stopped polling and waits for its running activities.",
    "Nothing. If activities are cancelled at each deployment, raise `graceful_shutdown_timeout`.",
)  # fmt: skip
WORKER_STOPPED = _event(
    "ASSAY1019", "worker.stopped", _I,
    "The worker has stopped. Without this line after `worker.draining`, the process was killed.",
    "Nothing, or extend the time that the system grants the process to end.",
)  # fmt: skip

# Workflows ----------------------------------------------------------------------------------------------------------

NONDETERMINISM = _event(
    "ASSAY2001", "workflow.nondeterminism", _E,
    "A run does not match its history: the workflow code changed incompatibly.",
    "Deploy the previous code, or put the change behind `ctx:patched`; see [Changing workflows](versioning.md).",
)  # fmt: skip
COMMANDS_REJECTED = _event(
    "ASSAY2002", "workflow.commands_rejected", _W,
    "The server rejected the commands of a workflow task. The task is retried.",
    "The message quotes the server; often the namespace lacks a search attribute.",
)  # fmt: skip
LIMIT_REACHED = _event(
    "ASSAY2003", "workflow.limit_reached", _W,
    "A run exceeded the CPU or memory limit in `workflow_limits`. Its workflow task is retried.",
    "Move the work to an activity, or raise the limit that the message names.",
)  # fmt: skip
WORKFLOW_SUSPENDED = _event(
    "ASSAY2004", "workflow.suspended", _W,
    "Workflow code raised an error, and `on_workflow_error` keeps the run open. Its workflow task is retried.",
    "Deploy fixed code; the run then continues.",
)  # fmt: skip
WORKFLOW_TASK_FAILED = _event(
    "ASSAY2005", "workflow.task_failed", _W,
    "A workflow task failed for a reason outside the script. It is retried.",
    "The message has the reason. Report it if it is an error in assay.",
)  # fmt: skip
WORKFLOW_FAILED = _event(
    "ASSAY2006", "workflow.failed", _W,
    "A workflow failed.",
    "`assay workflow show ID SCRIPT` shows where. Give expected failures the category `benign`: they are not reported.",
)  # fmt: skip
WORKFLOW_UNKNOWN = _event(
    "ASSAY2007", "workflow.not_registered", _W,
    "The worker received a workflow whose type its script does not register. The task is retried.",
    "Register the type, or start the workflow on another task queue.",
)  # fmt: skip
PAYLOAD_UNREADABLE = _event(
    "ASSAY2008", "workflow.payload_unreadable", _W,
    "A workflow task contains values that cannot be decrypted or encrypted. The task is retried.",
    "Give the worker the key that the message names (`codec.keys`).",
)  # fmt: skip
ACTIVATION_SLOW = _event(
    "ASSAY2009", "workflow.slow", _W,
    "One activation of a run took more than 10 s of wall-clock time.",
    "The machine is overloaded, or the workflow computes too much: move the computation to an activity.",
)  # fmt: skip
WORKFLOW_NOT_REPORTED = _event(
    "ASSAY2010", "workflow.not_reported", _E,
    "The completion of a workflow task could not be passed to Core.",
    "Nothing, if it is rare: the server dispatches the task again.",
)  # fmt: skip
SIGNAL_DROPPED = _event(
    "ASSAY2011", "workflow.signal_dropped", _W,
    "A signal was dropped because its arguments cannot be decoded.",
    "Fix the sender: values must be JSON.",
)  # fmt: skip
HANDLERS_UNFINISHED = _event(
    "ASSAY2012", "workflow.handlers_unfinished", _W,
    "A workflow ended while signal or update handlers were running.",
    "Wait for `ctx:all_handlers_finished()` before the workflow returns.",
)  # fmt: skip
SIGNALS_LEFT = _event(
    "ASSAY2013", "workflow.signals_left", _W,
    "A workflow ended with unprocessed signals.",
    "Receive them with `ctx:poll_signal` or `ctx:on_signal`, or stop sending them.",
)  # fmt: skip
FAILURE_UNAWAITED = _event(
    "ASSAY2014", "workflow.failure_unawaited", _W,
    "A workflow ended without awaiting a future that failed.",
    "Await the future, or catch its failure.",
)  # fmt: skip
MEMO_UNREADABLE = _event(
    "ASSAY2015", "workflow.memo_unreadable", _W,
    "A field of the memo cannot be decoded and is omitted.",
    "Fix the code that set it: values must be JSON.",
)  # fmt: skip
LAST_RESULT_UNREADABLE = _event(
    "ASSAY2016", "workflow.last_result_unreadable", _W,
    "The result of the previous run of a cron workflow cannot be decoded.",
    "Fix the workflow that returned it: values must be JSON.",
)  # fmt: skip
SIDE_EFFECT_NOT_REPORTED = _event(
    "ASSAY2017", "workflow.side_effect_not_reported", _E,
    "The result of a side effect could not be passed to Core.",
    "Nothing, if it is rare: the side effect runs again.",
)  # fmt: skip
OUTPUT_DROPPED = _event(
    "ASSAY2018", "workflow.output_dropped", _W,
    "A run logged more than 1,000 lines or 1 MiB within one second; its other lines in that second are dropped.",
    "Log less in loops.",
)  # fmt: skip
LARGE_SNAPSHOT = _event(
    "ASSAY2019", "workflow.large_snapshot", _W,
    "A workflow function refers to large tables, which are copied into every run.",
    "Move the data that the message names out of the workflow's upvalues and globals.",
)  # fmt: skip
UPDATE_UNANSWERED = _event(
    "ASSAY2020", "workflow.update_unanswered", _W,
    "The inputs of the updates in one workflow task are too large together. The server rejects the last updates.",
    "Send smaller inputs, or fewer updates at once: store large values elsewhere and pass references.",
)  # fmt: skip

# Activities ---------------------------------------------------------------------------------------------------------

ACTIVITY_FAILED = _event(
    "ASSAY3001", "activity.failed", _W,
    "An attempt of an activity raised a Lua error. Attempts 1, 2, 3, 10, 100, … are logged, all are counted.",
    "The message has the error. The retry policy decides whether the activity is retried.",
)  # fmt: skip
ACTIVITY_ERROR = _event(
    "ASSAY3002", "activity.internal_error", _E,
    "An activity failed because of an error in assay or in a library.",
    "Run with `--verbose` and report the traceback.",
)  # fmt: skip
ACTIVITY_UNKNOWN = _event(
    "ASSAY3003", "activity.not_registered", _W,
    "The worker received an activity that its script does not register. The attempt fails and is retried.",
    "Register the activity, or schedule it on the task queue of the worker that has it.",
)  # fmt: skip
ACTIVITY_NOT_REPORTED = _event(
    "ASSAY3004", "activity.not_reported", _E,
    "The completion of an activity could not be passed to Core.",
    "Nothing, if it is rare: the activity is retried after its timeout.",
)  # fmt: skip
ACTIVITY_BAD_VALUE = _event(
    "ASSAY3005", "activity.bad_value", _W,
    "An activity's input is invalid, or its result is not JSON or too large. It is not retried.",
    "Fix the activity, or store the value elsewhere and return a reference.",
)  # fmt: skip
ACTIVITY_UNREADABLE = _event(
    "ASSAY3006", "activity.payload_unreadable", _W,
    "An activity task contains values that cannot be decrypted. The attempt fails and is retried.",
    "Give the worker the key that the message names (`codec.keys`).",
)  # fmt: skip

# Nexus --------------------------------------------------------------------------------------------------------------

NEXUS_FAILED = _event(
    "ASSAY4001", "nexus.failed", _W,
    "The function of a Nexus operation raised a Lua error.",
    "The message has the error.",
)  # fmt: skip
NEXUS_ERROR = _event(
    "ASSAY4002", "nexus.internal_error", _E,
    "A Nexus operation failed because of an error in assay or in a library.",
    "Run with `--verbose` and report the traceback.",
)  # fmt: skip
NEXUS_NOT_REPORTED = _event(
    "ASSAY4003", "nexus.not_reported", _E,
    "The completion of a Nexus operation could not be passed to Core.",
    "Nothing, if it is rare: the caller retries.",
)  # fmt: skip
NEXUS_BAD_VALUE = _event(
    "ASSAY4004", "nexus.bad_value", _W,
    "The function of a Nexus operation returned an invalid value. It is not retried.",
    "Fix the function that the message names.",
)  # fmt: skip

# Clients and traces -------------------------------------------------------------------------------------------------

QUEUE_UNPOLLED = _event(
    "ASSAY5001", "client.no_worker", _W,
    "A client waits for a workflow whose task queue is polled by no worker, or by workers without a current version.",
    "Start the worker, fix the name of the task queue, or make a version of the deployment current.",
)  # fmt: skip
TRACES_LOST = _event(
    "ASSAY5002", "traces.lost", _W,
    "The collector did not accept the last traces before the process ended.",
    "Check the collector.",
)  # fmt: skip
TRACES_LOG = _event(
    "ASSAY5003", "traces.log", _W,
    "OpenTelemetry logged a warning or an error, often because the collector does not respond.",
    "Check the collector and `OTEL_EXPORTER_OTLP_ENDPOINT`.",
)  # fmt: skip

# HTTP servers -------------------------------------------------------------------------------------------------------

HANDLER_FAILED = _event(
    "ASSAY6001", "http.handler_failed", _E,
    "A handler of `http.serve` raised an error; the client received status 500.",
    "The message has the error.",
)  # fmt: skip
REQUEST = _event(
    "ASSAY6002", "http.request", _I,
    "`http.serve` answered a request, or the client disconnected first; logged with the option `access_log`.",
    "Nothing.",
)  # fmt: skip

_PROCESS_EVENTS = (
    *(SCRIPT_FAILED, SCRIPT_FINDING, RESULT_LOST, CORE_ERROR, SDK_LOG),
    *(PROCESS_DIED, PROCESS_UNSTABLE, OUTPUT_DROPPED, SPAWNED_TASK_FAILED, LARGE_SNAPSHOT),
)
_LIFECYCLE_EVENTS = (WORKER_STARTED, WORKER_DRAINING, WORKER_STOPPED)
_CLIENT_EVENTS = (QUEUE_UNPOLLED, TRACES_LOST, TRACES_LOG)
_HTTP_EVENTS = (HANDLER_FAILED, REQUEST)

COUNTED = [
    event
    for event in CATALOGUE.values()
    if event not in (*_PROCESS_EVENTS, *_LIFECYCLE_EVENTS, *_CLIENT_EVENTS, *_HTTP_EVENTS)
]
"""The events that the metric `assay_worker_events` counts: those of one worker, except its start and end."""
