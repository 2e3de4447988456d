-- The faulty workflows: each exploration fails, with the schedule that breaks it.
--
--   assay test --explore 200 examples/races/faulty.explore.lua
require("explorations")(test, "faulty.lua")
