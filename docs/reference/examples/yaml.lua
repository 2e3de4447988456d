--- yaml.parse
assert.eq(yaml.parse("name: web\nports: [80, 443]"), { name = "web", ports = { 80, 443 } })

--- yaml.parse_all
assert.eq(#yaml.parse_all("a: 1\n---\nb: 2\n"), 2)

--- yaml.encode
assert.eq(yaml.encode({ name = "web" }), "name: web\n")
