"""The objects behind handles, in a state and in a copy that borrows them."""

from __future__ import annotations

from assay.lua.objects import Objects


class Handle:
    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        """Increment a counter."""
        self.released += 1


def test_an_object_whose_handle_is_collected_is_released_once() -> None:
    objects, handle = Objects(), Handle()
    objects.collected(objects.keep(handle))
    objects.release()
    objects.release()
    assert (handle.released, objects.by_id) == (1, {})


def test_a_copy_never_releases_what_it_borrows() -> None:
    objects, handle = Objects(), Handle()
    identity = objects.keep(handle)
    copy = Objects(lent=objects)
    copy.collected(identity)
    copy.release()
    assert (handle.released, objects.by_id, copy.by_id) == (0, {identity: handle}, {identity: handle})


def test_a_copy_numbers_its_own_objects_after_those_that_it_borrows() -> None:
    objects = Objects()
    first = objects.keep(Handle())
    assert Objects(lent=objects).keep(Handle()) == first + 1
