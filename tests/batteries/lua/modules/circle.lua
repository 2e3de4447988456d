return require("circle2")
