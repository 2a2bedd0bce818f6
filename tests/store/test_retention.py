"""Which states stay is a pure function of what is done."""

from hypothesis import given
from hypothesis import strategies as st

from deeptrain.store.retention import kept


@given(st.integers(0, 60), st.integers(0, 7), st.data())
def test_the_last_two_the_best_and_every_nth_stay(done: int, every: int, data: st.DataObject) -> None:
    best = data.draw(st.integers(1, done)) if done else None
    stay = kept(range(1, done + 1), best, every)
    expected = {
        epoch for epoch in range(1, done + 1) if epoch > done - 2 or epoch == best or (every and not epoch % every)
    }
    assert stay == expected
