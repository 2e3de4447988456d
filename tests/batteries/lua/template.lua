local check = require("check")
local render = template.render_string

assert.eq(render("Hello {{ name }}!", { name = "World" }), "Hello World!")
assert.eq(render("{% for i in items %}{{ i }},{% endfor %}", { items = { "a", "b" } }), "a,b,")
assert.eq(
  render("{% for i in items %}{{ i.name }}:{{ i.price }};{% endfor %}", { items = { { name = "A", price = 10 } } }),
  "A:10;"
)
assert.eq(render("{% if on %}yes{% else %}no{% endif %}", { on = false }), "no")
assert.eq(render("{{ name | upper }} {{ items | length }}", { name = "é", items = { 1, 2 } }), "É 2")
assert.eq(render("{{ user.name }} {{ user.address.zip }}", { user = { name = "Ann", address = { zip = 1 } } }), "Ann 1")
assert.eq(render("static"), "static")
assert.eq(render("static", {}), "static")
assert.eq(render("{{ '<b>' }} {{ x }}", { x = "<&>" }), "<b> <&>")

-- Undefined values are empty, even under names of the engine's methods.
assert.eq(render("[{{ a }}{{ t.b }}{{ t.items }}{{ t.keys }}{{ t.pop }}{{ n }}]", { t = {}, n = json.null }), "[]")
assert.eq(render("{% if t.values %}x{% endif %}{% for v in t.values %}y{% endfor %}", { t = {} }), "")
assert.eq(render("{{ t.items }} {{ t.get }}", { t = { items = 1, get = 2 } }), "1 2")
assert.eq(render("{% for k, v in t.items() %}{{ k }}={{ v }};{% endfor %}", { t = { b = 1, a = 2 } }), "a=2;b=1;")
assert.eq(render("{{ t.get('a') }}{{ t|length }}{{ 'a' in t }}", { t = { a = 5 } }), "51true")

-- Values are printed as in Lua.
assert.eq(render("{{ a }} {{ b }} {{ true }} {{ 1 == 2 }}", { a = true, b = false }), "true false true false")
assert.eq(render("{{ a }} {{ b }} {{ c }}", { a = 1, b = 1.0, c = 2.5 }), "1 1.0 2.5")
assert.eq(
  render("{{ t }} {{ l }}", { t = { a = true }, l = { 1, false, "x", json.null } }),
  '{"a": true} [1, false, "x", null]'
)
assert.eq(render("{{ t | tojson }}", { t = { a = { true, json.null } } }), '{"a":[true,null]}')

assert.eq(
  render("{{ t ~ '' }} {{ l|string }} {{ [l, 1]|join(';') }} {{ l|upper }}", { t = { a = 1 }, l = { 1, "x" } }),
  '{"a": 1} [1, "x"] [1, "x"];1 [1, "X"]'
)

-- Filters behave as in Jinja2.
assert.eq(render("{{ 'x'|int }} {{ 'x'|int(7) }} {{ '12'|int }} {{ '3.7'|int }} {{ 'ff'|int(0, 16) }}"), "0 7 12 3 255")
assert.eq(render("{{ none|int }}{{ nothing|int(5) }}{{ true|int }}{{ 'inf'|int }}{{ [1]|int }}{{ 2.9|int }}"), "051002")
assert.eq(render("{{ '2.5'|float }} {{ 'x'|float }} {{ 'x'|float(1) }} {{ 3|float }}"), "2.5 0.0 1 3.0")
assert.eq(render("[{{ 'x'|center(5) }}] {{ 'one two  three'|wordcount }}"), "[  x  ] 3")
assert.eq(
  render("{{ t|truncate(12) }}|{{ t|truncate(12, true) }}|{{ t|truncate(12, end='', leeway=0) }}|{{ t|truncate }}", {
    t = "one two three four",
  }),
  "one two...|one two t...|one two|one two three four"
)

assert.eq(
  render("[{{ x|center(3) }}{{ x|truncate }}{{ x|wordcount }}{{ x|indent }}{{ true|center(6) }}]"),
  "[   0 true ]"
)
assert.eq(
  render("{{ t|indent }}|{{ t|indent(2, true) }}|{{ t|indent(1, blank=true) }}", { t = "a\n\nb\n" }),
  "a\n\n    b|  a\n\n  b|a\n \n b"
)
check.raises("template.render_string: a width of 100001 is more than 100000", render, "{{ 'x'|indent(100001) }}")
check.raises("template.render_string: a width of 100001 is more than 100000", render, "{{ 'x'|center(100001) }}")

-- Errors begin with the function's name and contain the line.
check.raises("template.render_string: syntax error: unknown statement bad (in <string>:2)", render, "a\n{% bad %}")
check.fails("template.render_string: unknown filter: ", render, "{{ x | nope }}")
check.fails("template.render_string: template not found: ", render, "{% include 'x' %}")
check.fails("template.render_string: undefined value (in <string>:3)", render, "\n\n{{ a.b.c }}")
check.raises(
  "template.render_string: a table or an array has no method 'foo' (in <string>)",
  render,
  "{{ t.foo() }}",
  { t = {} }
)
check.raises(
  "template.render_string: a table or an array has no method 'foo' (in <string>)",
  render,
  "{{ t.foo() }}",
  { t = { 1 } }
)
check.raises(
  "template.render_string: call of a value that is not a function (in <string>)",
  render,
  "{{ t() }}",
  { t = {} }
)
check.fails("template.render_string: bad argument 'vars' (valid UTF-8 expected)", render, "{{ x }}", { x = "\xff" })
check.raises("template.render_string: bad argument 'text' (string expected, got nil)", render)
check.raises("template.render_string: bad argument 'vars' (table expected, got number)", render, "x", 5)
check.fails(
  "template.render_string: invalid operation: recursion limit",
  render,
  "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
)

-- Templates cannot access the host.
assert.eq(
  render("{{ t.__class__ }}{{ l.__class__ }}{{ ''.__class__ }}{{ t|attr('__class__') }}", { t = {}, l = { 1 } }),
  ""
)

-- Files.
local folder = fs.tempdir()
local function file(name, text)
  fs.write(folder .. "/" .. name, text)
  return folder .. "/" .. name
end
local page =
  file("page.html", "{% extends 'base.html' %}{% block main %}{{ x }}{% include 'parts/row.html' %}{% endblock %}")
file("base.html", "<main>{% block main %}{% endblock %}</main>")
file("parts/row.html", "{% from 'parts/macros.html' import hi %}{{ hi(x) }}")
file("parts/macros.html", "{% macro hi(who) %}<i>{{ who }}</i>{% endmacro %}")
assert.eq(template.render(page, { x = "<é>" }), "<main>&lt;é&gt;<i>&lt;é&gt;</i></main>")
assert.eq(template.render(file("a.txt", "{{ x }}"), { x = "<" }), "<")
assert.eq(template.render(file("a.html.j2", "{{ x }}"), { x = "<" }), "&lt;")
assert.eq(
  template.render(file("a.json", '{"a": {{ x }}, "b": {{ t }}, "c": {{ on }}}'), { x = 'q"', t = { 1 }, on = true }),
  '{"a": "q\\"", "b": [1], "c": true}'
)
assert.eq(template.render(file("b.txt", "{{ 1 }}\n")), "1")

file("parts/row.html", "\n{{ nothing() }}")
check.fails(
  'template.render: could not render include: error in "parts/row.html" (in page.html:1): unknown function: nothing is unknown (in parts/row.html:2)',
  template.render,
  page,
  { x = 1 }
)
file("secret.txt", "secret")
for _, name in ipairs({ "../secret.txt", "/etc/passwd", "./secret.txt/../../x", "" }) do
  check.fails(
    "template.render: template not found: ",
    template.render,
    file("sub/x.txt", "{% include '" .. name .. "' %}")
  )
end
check.raises("template.render: " .. folder .. "/none: No such file or directory", template.render, folder .. "/none")
fs.write_bytes(folder .. "/binary.txt", "\xff")
check.raises("template.render: " .. folder .. "/binary.txt: invalid UTF-8", template.render, folder .. "/binary.txt")
fs.remove(folder)
