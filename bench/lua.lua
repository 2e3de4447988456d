-- Prints CPU seconds: "json PATH" measures parsing and encoding, "compute" pure Lua code that any interpreter runs.
local function seconds(fn)
  collectgarbage()
  local began = os.clock()
  fn()
  return os.clock() - began
end

if arg[1] == "json" then
  local text, value = fs.read(arg[2]), nil
  print(seconds(function()
    value = json.parse(text)
  end))
  print(seconds(function()
    json.encode(value)
  end))
else
  print(seconds(function()
    local count, primes = 0, {}
    for i = 2, 500000 do
      local is_prime = true
      for j = 1, count do
        local p = primes[j]
        if p * p > i then
          break
        elseif i % p == 0 then
          is_prime = false
          break
        end
      end
      if is_prime then
        count = count + 1
        primes[count] = i
      end
    end
    local words = {}
    for i = 1, 1500000 do
      local word = "w" .. i % 1000
      words[word] = (words[word] or 0) + i * 0.5
    end
    local function fib(n)
      return n < 2 and n or fib(n - 1) + fib(n - 2)
    end
    fib(30)
  end))
end
