"""Memory for reads comes back when nobody holds a view of it, and not before."""

import gc
import mmap

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.shards.memory import HUGE, Pool, Ring, Slab, aligned


@given(st.integers(0, 5 << 20))
def test_memory_begins_at_a_page_and_has_the_size_asked_for(size):
    for data in (aligned(size), Pool(0).take(size)):
        assert len(data) == size
        assert not size or data.ctypes.data % mmap.PAGESIZE == 0


def test_memory_is_used_again_when_the_last_view_of_it_is_gone():
    pool = Pool(10 * HUGE)
    first = pool.take(100)
    place = first.ctypes.data
    view = first[10:20].view(np.uint16).reshape(5, 1)
    del first
    gc.collect()
    assert pool.kept_bytes == 0
    second = pool.take(100)
    assert second.ctypes.data != place
    del view
    gc.collect()
    assert pool.kept_bytes == HUGE
    assert pool.take(HUGE).ctypes.data == place


def test_no_more_is_kept_than_allowed():
    pool = Pool(2 * HUGE)
    held = [pool.take(HUGE) for _ in range(5)]
    del held
    gc.collect()
    assert pool.kept_bytes == 2 * HUGE


@given(st.lists(st.tuples(st.integers(1, 3 * HUGE // 2), st.booleans()), max_size=12), st.sampled_from([Ring, Slab]))
def test_what_is_held_of_a_ring_or_a_slab_is_not_given_again(pieces, kind):
    memory, held = kind(), []
    for number, (size, kept) in enumerate(pieces):
        data = memory.take(size)
        assert len(data) == size
        assert data.ctypes.data % 64 == 0
        data[:: max(1, size // 5)] = number
        if kept:
            held.append((number, data[:: max(1, size // 5)]))
        del data
    assert all((view == number).all() for number, view in held)


def test_a_ring_gives_the_same_memory_in_turn():
    ring = Ring()
    first = ring.take(100)
    second = ring.take(HUGE)
    places = [first.ctypes.data, second.ctypes.data]
    assert places[0] != places[1]
    del first
    assert ring.take(50).ctypes.data == places[0]
    view = second[5:].view(np.uint8)[3:]
    del second
    assert ring.take(50).ctypes.data == places[0]
    kept = ring.take(50)
    assert ring.take(50).ctypes.data not in {kept.ctypes.data, places[1]}
    assert len(view)
