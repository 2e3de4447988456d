"""The current details of a workflow."""

from __future__ import annotations

from engine.driver import Drive, result


def test_they_are_empty_until_they_are_set(drive: Drive) -> None:
    driver = drive("return function(ctx) return ctx:get_current_details() end")
    assert result(driver.start()) == ""


def test_they_are_those_that_were_set_last(drive: Drive) -> None:
    driver = drive("""
    return function(ctx)
      ctx:set_current_details("soon")
      ctx:set_current_details("soon **over**")
      return ctx:get_current_details()
    end
    """)
    assert result(driver.start()) == "soon **over**"
