-- The faulty workflows: each exploration fails, with the schedule that breaks it.
--
--   assay test --explore 200 examples/races/faulty.explore.lua
--
-- The file's name does not end in _test.lua, so `assay test` runs it only when it is named, and `assay check` does not know
-- the global `test` in it: hence `_G`.
require("explorations")(_G.test, "faulty.lua")
