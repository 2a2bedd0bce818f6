"""Memory for reads comes back when nobody holds a view of it, and not before."""

import gc
import mmap

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.shards.memory import HUGE, Pool, aligned


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
