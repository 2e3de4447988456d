"""The parts of the private Lua side that only workflow states have, and the functions that each lazy part defines."""

from __future__ import annotations

import os.path

from assay.lua.state import LAZY_PARTS, PARTS, LazyParts

_HERE = os.path.dirname(__file__)
_CONCURRENCY = os.path.join(os.path.dirname(_HERE), "ctx", "concurrency")
PARTS_OF_RUN = (*PARTS, *(os.path.join(_HERE, part) for part in ("limits", "deterministic")))
_LAZY_PARTS = {
    "begin": ("begin",),
    "clock": ("os.clock", "os.date", "os.time"),
    _CONCURRENCY: ("ctx:await_all", "ctx:await_any", "ctx:spawn", "ctx:wait_condition", "future:get"),
    "borrow": ("borrow",),
    "copies": (
        *("be_copy", "remember_function", "remember_metatable", "remember_table"),
        *("restore_held", "roll_back", "stub_advice"),
    ),
    "lend": ("begin_lending", "end_lending", "lend", "lend_length"),
    "guards": ("_G.pcall", "_G.xpcall"),
    "metatables": (
        *("_G.collectgarbage", "_G.getmetatable", "_G.rawget", "_G.rawlen", "_G.rawset", "_G.setmetatable"),
        *("GUARD", "close_metatable", "keep_out"),
    ),
    "order": ("_G.next", "_G.pairs", "table.sort"),
    "matcher": ("match_find", "match_gmatch", "match_gsub", "match_match"),
    "patterns": ("class_end", "string.find", "string.gmatch", "string.gsub", "string.match"),
    "library_limits": (
        *(
            "string.char",
            "string.lower",
            "string.pack",
            "string.packsize",
            "string.rep",
            "string.reverse",
            "string.unpack",
        ),
        *("string.upper", "table.concat", "table.insert", "table.move", "table.remove", "table.unpack"),
        "utf8.char",
    ),
    "random": ("math.random", "math.randomseed"),
    "object_ids": ("assign_object_ids",),
    "shrink": ("shrink",),
    "tostring": ("_G.tostring", "string.format", "tostring"),
}
LAZY_OF_RUN = LazyParts({**LAZY_PARTS, **{os.path.join(_HERE, part): names for part, names in _LAZY_PARTS.items()}})
STARTING = (b"begin", *(name for name in LAZY_OF_RUN.names("placeholders", "restore") if name != b"LAZY"))
"""Names that only the start of a run needs. `LAZY`, the metatable of lazy tables, stays."""
CONVERTING = LAZY_OF_RUN.names(
    "arguments", "decode", "encode", "json_errors", "object_readers", "object_writers", "wire"
)
"""Names of the functions that convert values. Their parts keep no state, and an idle run may not need them soon."""
