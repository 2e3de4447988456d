-- The mended workflows under many schedules: assay test --explore 5000 examples/races
require("explorations")(test, "mended.lua")
