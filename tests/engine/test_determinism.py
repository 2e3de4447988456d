"""Time, key order, addresses and sorting, which vary in plain Lua, are the same on a replay."""

from __future__ import annotations

import pytest

from engine import jobs
from engine.driver import Drive, Driver, result

# Time -------------------------------------------------------------------------------------------------------------


def test_time_does_not_pass_while_a_workflow_computes(drive: Drive) -> None:
    driver = drive("""
    return function()
      local function look() return json.encode({ time(), os.time(), os.clock() }) end
      local before = look()
      for _ = 1, 1e5 do local _ = {} end
      return { is_same = look() == before }
    end
    """)
    assert result(driver.start()) == {"is_same": True}


def test_time_passes_while_a_workflow_sleeps(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      local before = time()
      ctx:sleep(1.5)
      return time() - before
    end
    """)
    driver.start()
    assert result(driver.send(jobs.fire(1), after=1.5)) == 1.5


def test_all_clocks_show_the_time_of_the_workflow_task(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      return { time = time(), os_time = os.time(), now = ctx:now(), start = ctx:workflow_info().start_time }
    end
    """)
    assert result(driver.start()) == {"time": 1000, "os_time": 1000, "now": 1000, "start": 1000}


DATES = {
    "a date": ('os.date("%Y-%m-%d %H:%M:%S", 86400)', "1970-01-02 00:00:00"),
    "a time": ("os.time({ year = 1970, month = 1, day = 2, hour = 0 })", 86400),
}


@pytest.mark.parametrize(("call", "expected"), DATES.values(), ids=DATES)
def test_dates_are_in_utc(drive: Drive, call: str, expected: object) -> None:
    driver = drive(f"return function() return {call} end")
    assert result(driver.start()) == expected


def test_os_time_normalizes_the_fields_of_its_table(drive: Drive) -> None:
    driver = drive("""
    return function()
      local date = { year = 2024, month = 14, day = -1, hour = 36, min = 0 }
      return { time = os.time(date), date = date }
    end
    """)
    assert result(driver.start()) == {
        "time": 1738324800,
        "date": {
            "year": 2025,
            "month": 1,
            "day": 31,
            "hour": 12,
            "min": 0,
            "sec": 0,
            "wday": 6,
            "yday": 31,
            "isdst": False,
        },
    }


# Order ------------------------------------------------------------------------------------------------------------

KEYS = "{ b = 1, a = 2, [3] = 3, [1] = 1, [true] = 0, [2.5] = 9 }"

WALKS = {"pairs": f"pairs({KEYS})", "next": f"next, {KEYS}"}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_keys_come_as_sorted_numbers_then_sorted_strings_then_booleans(drive: Drive, walk: str) -> None:
    driver = drive(f"""
    return function()
      local keys = {{}}
      for key in {walk} do keys[#keys + 1] = key end
      return keys
    end
    """)
    assert result(driver.start()) == [1, 2.5, 3, "a", "b", True]


def test_a_sort_is_stable(drive: Drive) -> None:
    driver = drive("""
    return function()
      local items = {}
      for i = 1, 200 do items[i] = { key = i % 3, place = i } end
      table.sort(items, function(a, b) return a.key < b.key end)
      local places = {}
      for i, item in ipairs(items) do places[i] = item.place end
      return places
    end
    """)
    places = range(1, 201)
    assert result(driver.start()) == sorted(places, key=lambda place: place % 3)


# Addresses and identifiers ----------------------------------------------------------------------------------------


def test_addresses_are_numbers_in_the_order_of_their_first_use(drive: Drive) -> None:
    driver = drive("""
    return function()
      return { tostring({}), tostring(print), string.format("%s", {}) }
    end
    """)
    assert result(driver.start()) == ["table: 0x00000002", "function: 0x00000003", "table: 0x00000004"]


def test_each_uuid_of_a_run_differs(drive: Drive) -> None:
    driver = drive("return function(ctx) return { ctx:uuid(), ctx:uuid() } end")
    first, second = result(driver.start())
    assert len(first) == len(second) == 36
    assert first != second


# First keys -------------------------------------------------------------------------------------------------------

FIRST_KEYS = {
    "a number before a string": ("{ [true] = 1, b = 2, a = 3, [7] = 4, [2.5] = 5 }", 2.5),
    "false before true": ("{ [true] = 1, [false] = 2 }", False),
    "no key": ("{}", None),
}


@pytest.mark.parametrize(("keys", "expected"), FIRST_KEYS.values(), ids=FIRST_KEYS)
def test_the_first_key_of_next(drive: Drive, keys: str, expected: object) -> None:
    driver = drive(f"return function() return (next({keys})) end")
    assert result(driver.start()) == expected


def test_a_function_can_be_the_first_key(drive: Drive) -> None:
    driver = drive("return function() return next({ [print] = 1 }) == print end")
    assert result(driver.start()) is True


def test_a_table_can_be_emptied_by_its_first_key_within_the_cpu_limit() -> None:
    driver = Driver("""
    return function()
      local queue, first = {}, {}
      for i = 1, 2000 do queue["job" .. i] = i end
      for _ = 1, 500 do assert(next(queue) == "job1") end
      while next(queue) do
        local key = next(queue)
        queue[key] = nil
        if #first < 3 then first[#first + 1] = key end
      end
      return first
    end
    """)
    assert result(driver.start()) == ["job1", "job10", "job100"]
    driver.close()


# Keys without an order --------------------------------------------------------------------------------------------

NO_ORDER = "pairs: two keys are tables or functions with the same contents, which have no deterministic order"

ALIKE = {
    "tables": "{ [{}] = 1, [{}] = 2 }",
    "functions": "{ [twin()] = 1, [twin()] = 2 }",
    "tables beside functions that differ": "{ [twin()] = 1, [function() return twin end] = 2, [{}] = 3, [{}] = 4 }",
}


@pytest.mark.parametrize("keys", ALIKE.values(), ids=ALIKE)
def test_keys_with_the_same_contents_are_an_error(drive: Drive, keys: str) -> None:
    driver = drive(f"""
    local function twin() return function() end end
    return function()
      local _, err = pcall(function() for _ in pairs({keys}) do end end)
      return err
    end
    """)
    assert result(driver.start()) == f"workflow.lua:4: {NO_ORDER}"


def test_functions_and_tables_as_keys_are_sorted_by_name_and_contents(drive: Drive) -> None:
    driver = drive("""
    local function named() end
    return function()
      local order = {}
      for _, i in pairs({ [named] = 1, [print] = 2, [string.rep] = 3, [{ "x" }] = 4, [{}] = 5 }) do
        order[#order + 1] = i
      end
      return order
    end
    """)
    # "(" of a function, the names of Lua's own functions, "{" of a table.
    assert result(driver.start()) == [1, 2, 3, 4, 5]
