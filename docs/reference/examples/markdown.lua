--- markdown.to_html
assert.eq(markdown.to_html("# Title"), "<h1>Title</h1>\n")
