--- json.parse json.decode
local order = json.parse('{"id": 7, "items": ["milk", null]}')
assert.eq(order.id, 7)
assert.eq(order.items[2], json.null)

--- json.encode
assert.eq(json.encode({ b = 1, a = { 1, 2.5 } }), '{"a":[1,2.5],"b":1}')
assert.eq(json.encode({}), "{}")

--- json.array
assert.eq(json.encode(json.array()), "[]")
