--- template.render
local path = fs.tempdir() .. "/page.html"
fs.write(path, "<p>{{ name }}</p>")
assert.eq(template.render(path, { name = "<Ada>" }), "<p>&lt;Ada&gt;</p>")

--- template.render_string
assert.eq(template.render_string("Hello, {{ name|upper }}!", { name = "Ada" }), "Hello, ADA!")
