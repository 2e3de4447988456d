-- The faulty workflows: each exploration fails, with the schedule that breaks it.
--
--   assay test --explore 200 examples/races/faulty.explore.lua
-- Its name does not end in _test.lua, so that `assay test` runs it only when it is named. Hence `_G`: `assay check` knows
-- `test` only in files that do.
require("explorations")(_G.test, "faulty.lua")
