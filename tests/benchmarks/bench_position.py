"""What it costs to tell where training stands in its data, and to stand there again."""

from deeptrain.loading.position import Position
from tests.benchmarks.side_by_side import measured, show

CALLS = 10_000


def test_a_position_told_and_restored() -> None:
    position = Position(12, 3456, 789_012, 17)
    told = position.plain()

    def tell() -> None:
        for _ in range(CALLS):
            position.plain()

    def restore() -> None:
        for _ in range(CALLS):
            Position.from_plain(told)

    found = {"told": tell, "restored and checked": restore}
    seconds = {name: value / CALLS for name, value in measured(found).items()}
    show("a position", seconds | {"bound: 10 us": 1e-5}, "us", 1e6)
