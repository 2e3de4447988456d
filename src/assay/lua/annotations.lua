---The second result of `pcall`: what the called function returns or, when that fails, an error object with these
---fields. The language server takes it for the former, so everything that functions return has the fields too.
---@class Outcome
---@field kind? string Of an error: "application", "activity", "child_workflow", "timeout", "cancelled", "not_found", …
---@field type? string Of an error: the type that it was raised with.
---@field message? string Of an error: its text.
---@field details? any Of an error: the value that it was raised with.
---@field non_retryable? boolean Of an error: whether an activity that raises it is not tried again.
---@field cause? Error Of an error: the error behind it.
---@field activity_type? string Of an activity's error: the activity.
---@field activity_id? string Of an activity's error: the id of the activity.
---@field retry_state? string Of an activity's error: why it is not tried again.

---@class string: Outcome

---An error object, as `pcall` returns it: it prints as its message, and has the methods of strings.
---@class Error: string

---The type of a function that returns nothing; `pcall` of it may still return an error.
---@alias nothing any
