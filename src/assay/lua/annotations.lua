---The second result of `pcall`: the result of the called function or, if it fails, an error object with these fields.
---The language server assumes the former, so all result types have the fields too.
---@class Outcome
---@field kind? string Of an error: "application", "activity", "child_workflow", "timeout", "cancelled", "not_found", …
---@field type? string Of an error: its type.
---@field message? string Of an error: its message.
---@field details? any Of an error: its details.
---@field non_retryable? boolean Of an error: whether an activity that raises it is not retried.
---@field cause? Error Of an error: its cause.
---@field activity_type? string Of an activity's error: type of the activity.
---@field activity_id? string Of an activity's error: id of the activity.
---@field retry_state? string Of an activity's error: why it is not retried.

---@class string: Outcome

---An error object, as `pcall` returns it. It prints as its message and has the methods of strings.
---@class Error: string

---The type of a function that returns nothing; `pcall` of it may still return an error.
---@alias nothing any
