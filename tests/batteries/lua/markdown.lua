local check = require("check")

assert.eq(markdown.to_html("# Hello"), "<h1>Hello</h1>\n")
assert.eq(markdown.to_html("Hello **world** ~~old~~"), "<p>Hello <strong>world</strong> <s>old</s></p>\n")
assert.contains(markdown.to_html("```lua\nprint('<')\n```"), "<code class=\"language-lua\">print('&lt;')\n</code>")
assert.contains(markdown.to_html("| A | B |\n|---|:-:|\n| 1 | é |"), '<td style="text-align:center">é</td>')
assert.eq(markdown.to_html("- one\n- two"), "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n")
local tasks = markdown.to_html("- [x] done\n- [ ] open")
assert.matches(tasks, '<input[^>]+checked="checked"[^>]+type="checkbox"> done')
assert.matches(tasks, '<input[^>]+type="checkbox"> open')
assert.eq(markdown.to_html("<b>raw</b>"), "<p><b>raw</b></p>\n")
assert.contains(markdown.to_html("[x](javascript:alert)"), "[x](javascript:alert)")
assert.eq(markdown.to_html(""), "")

-- Inputs that are quadratic or worse in naive parsers.
local began = os.clock()
for _, text in ipairs({
  ("*a "):rep(5000),
  ("["):rep(5000),
  (">"):rep(5000) .. "a",
  ("- "):rep(5000),
  ("`"):rep(5000),
  ("a|"):rep(5000),
}) do
  markdown.to_html(text)
end
assert.lt(os.clock() - began, 60)

check.raises(
  "markdown.to_html: bad argument 'text' (expected a UTF-8 string, got invalid UTF-8)",
  markdown.to_html,
  "\xff"
)
check.raises("markdown.to_html: bad argument 'text' (string expected, got nil)", markdown.to_html)
