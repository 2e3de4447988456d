-- The corrected workflows under many schedules: assay test --explore 5000 examples/races
require("explorations")(test, "fixed.lua")
