-- Sources and values that could exhaust the stack and crash the process are rendered or raise an error.
local check = require("check")
local render = template.render_string

local N = 100000
local function chain(begin, part, stop)
  return begin .. part:rep(N) .. stop
end

local refused = {
  chain("{{ 1", " + 1", " }}"),
  chain("{{ 1", " ~ 1", " }}"),
  chain("{{ 1", " ** 1", " }}"),
  chain("{{ 1", " and 1", " }}"),
  chain("{{ ", "not ", "1 }}"),
  chain("{{ ", "-", "1 }}"),
  chain("{{-", "-", "1-}}"),
  chain("{{ a", ".b", " }}"),
  chain("{{ a.", "é.", "b }}"),
  chain("{{ a", "[0]", " }}"),
  chain("{{ a", "()", " }}"),
  chain("{{ a", "|upper", " }}"),
  chain("{{ a", " is defined", " }}"),
  chain("{{ 1", " if 1 else 1", " }}"),
  chain("{% if 0 %}", "{% elif 0 %}", "{% endif %}"),
  chain("{% filter upper", "|upper", " %}{% endfilter %}"),
  chain("{% if 1", " or 1", " %}{% endif %}"),
  chain("{% set a", ".b", " = 1 %}"),
  chain("{% set x = []", " + []", " %}"),
  "{{ " .. ("("):rep(N) .. "1" .. (")"):rep(N) .. " }}",
  "{{ " .. ("["):rep(N) .. "1" .. ("]"):rep(N) .. " }}",
  "{{ " .. ("{'a':"):rep(N) .. "1" .. ("}"):rep(N) .. " }}",
  "{{ " .. ("f("):rep(N) .. "1" .. (")"):rep(N) .. " }}",
  "{% for " .. ("("):rep(N) .. "a" .. (")"):rep(N) .. " in b %}{% endfor %}",
  ("{% if 1 %}"):rep(N) .. ("{% endif %}"):rep(N),
  ("{% if 0 %}{% else %}"):rep(N) .. ("{% endif %}"):rep(N),
  ("{% for a in [1] %}"):rep(N) .. ("{% endfor %}"):rep(N),
  ("{% with a = 1 %}"):rep(N) .. ("{% endwith %}"):rep(N),
  "{{ " .. ("("):rep(100) .. "1" .. (" + 1"):rep(400) .. (")" .. (" + 1"):rep(400)):rep(100) .. " }}",
  -- Comments, strings and missing ends do not hide them.
  chain("{# {{ #}{{ 1", " + 1", " }}"),
  chain("{#-#}{{ 1", " + 1", " }}"),
  chain("{% raw %}{{ '{% endraw %}{{ 1", " + 1", " }}"),
  chain("{%- raw -%}{#{%- endraw -%}{{ 1", " + 1", " }}"),
  chain([[{{ '}}' }}{{ "\"}}" ~ '{% raw %}' ]], " + 1", " }}"),
  chain("{{ {'a': {'b': 1}} }}{{ 1", " + 1", " }}"),
  chain("{{ a\u{B7}b", ".b", " }}"),
  chain("{{ 1", " + 1", ""),
  chain("{{ ((1", " + 1", ""),
  chain("{{ 1", " + 1", " 'x"),
  chain("{{ 1", " + 1", " ) }}"),
}
for i, source in ipairs(refused) do
  local ok, problem = pcall(render, source)
  assert.eq({ i, ok }, { i, false })
  assert.contains(problem, "template.render_string: ")
end
check.raises(
  "template.render_string: expression or elif chain deeper than 500 levels (in <string>:3)",
  render,
  "a\n\n" .. refused[1]
)
check.raises(
  "template.render_string: more than 10000 lists, calls and filters (in <string>:1)",
  render,
  ("{{ a|upper }}"):rep(10001)
)

-- Long but not deeply nested sources.
assert.eq(#render("{{ 1 }}" .. ("{{ a.b or 2 }}"):rep(20000), { a = {} }), 20001)
assert.eq(render("{{ [" .. ("1 + 1,"):rep(20000) .. "]|length }}"), "20000")
assert.eq(render("{{ 1" .. (" + 1"):rep(499) .. " }}"), "500")
assert.eq(render("{% if 0 %}" .. ("{% elif 0 %}"):rep(400) .. "{% else %}x{% endif %}"), "x")
assert.eq(#render(("{% if 1 %}x{% elif 2 %}y{% endif %}"):rep(2000)), 2000)
assert.eq(render("{% raw %}" .. ("{{ + "):rep(1000) .. "{% endraw %}"), ("{{ + "):rep(1000))
assert.eq(render("{# " .. ("+ "):rep(1000) .. "#}x"), "x")

-- Values that are nested during rendering.
for _, source in ipairs({
  "{% set x = [] %}" .. ("{% set x = [x] %}"):rep(9000) .. "{{ x }}",
  "{% macro m(x, n) %}{% if n %}{{ m(x"
    .. ("|batch(1)"):rep(40)
    .. ", n - 1) }}{% else %}{{ x }}{% endif %}"
    .. "{% endmacro %}{{ m([1], 60) }}",
}) do
  check.raises("template.render_string: a value is nested too deeply to be printed (in <string>)", render, source)
end
assert.eq(render("{% set x = [] %}" .. ("{% set x = [x] %}"):rep(9000) .. "{{ x == x }}"), "true")

-- A namespace contains copies, so that no value contains itself.
assert.eq(render("{% set ns = namespace(a=1) %}{% set ns.x = ns %}{{ ns.x }}"), '{"a": 1}')
assert.eq(render("{%- set a = namespace() -%}{%-set (a.b), c = [a], 1-%} {{ a.b }}{{ c }}"), "[{}]1")
assert.eq(
  render("{% set a = namespace() %}{% set b = namespace() %}{% set a.x = b %}{% set b.x = a %}{{ a == b }}{{ b }}"),
  'false{"x": {"x": {}}}'
)
check.raises(
  "template.render_string: the value of a namespace attribute has more than 100 levels",
  render,
  "{% set ns = namespace(x=1) %}{% for i in range(200) %}{% set ns.x = [ns.x] %}{% endfor %}"
)

-- Otherwise the values of a namespace are unchanged.
assert.eq(
  render(
    [[{% set ns = namespace(n=0, all=[], found=false) %}
{%- for item in items %}{% set ns.n = ns.n + item.price %}{% set ns.all = ns.all + [item] -%}
{%- set ns.found = true %}{% endfor -%}
{{ ns.n }} {{ ns.all|map(attribute="price")|join(",") }} {{ ns.all }} {{ ns.found }} {{ ns.none is defined }}]],
    {
      items = { { price = 1.0 }, { price = 2.0 } },
    }
  ),
  '3.0 1.0,2.0 [{"price": 1.0}, {"price": 2.0}] true false'
)
assert.eq(
  render("{% set ns = namespace() %}{% set ns.x = none %}{% set ns.y = u %}{{ ns.y is defined }}{{ ns.x }}"),
  "false"
)
assert.eq(render("{% set ns = namespace() %}{% set ns.a %}text{% endset %}{{ ns.a }}"), "text")
local folder = fs.tempdir()
fs.write(
  folder .. "/safe.html",
  "{% set ns = namespace(all=[]) %}{% for x in '<>' %}{% set ns.all = ns.all + [('<b>'|safe) ~ x] %}{% endfor %}"
    .. "{{ ns.all|join }}{% set ns.s = '<i>'|safe %}{{ ns.s }}"
)
assert.contains(template.render(folder .. "/safe.html"), "<i>")

-- Templates that include, extend and import themselves, and included sources.
for name, source in pairs({
  include = "{% include 'include.txt' %}",
  import = "{% import 'import.txt' as m %}",
  extends = "{% extends 'extends.txt' %}",
  block = "{% block a %}{{ self.a() }}{% endblock %}",
  loop = "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
  caller = "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}",
}) do
  fs.write(folder .. "/" .. name .. ".txt", source)
  local ok, problem = pcall(template.render, folder .. "/" .. name .. ".txt")
  assert.eq({ name, ok }, { name, false })
  assert.contains(problem, "template.render: ")
end
fs.write(folder .. "/deep.txt", chain("{{ 1", " + 1", " }}"))
fs.write(folder .. "/outer.txt", "{% include 'deep.txt' %}")
check.fails(
  "template.render: expression or elif chain deeper than 500 levels (in deep.txt:1)",
  template.render,
  folder .. "/outer.txt"
)
fs.remove(folder)
