"""The globals of a script: one file, or folder, is one global, declared as `assay.lua.declare` says."""
