"""What may be said to a running training, and what it says of itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import MessageError
from deeptrain.training import messages, sparkline
from deeptrain.training.messages import Message, parse
from deeptrain.training.progress import Progress


@given(st.one_of(st.text(), st.text("lr 01.e+-٣∞\x00\n", max_size=12), st.sampled_from([*messages.WORDS, "lr 1"])))
def test_any_text_is_a_message_or_a_message_error_in_a_line(text: str) -> None:
    refused = ""
    try:
        found = parse(text)
    except MessageError as error:
        refused = str(error)
    if refused:
        assert refused.isprintable()
        assert len(refused) < 400
    else:
        assert found.word in messages.WORDS
        assert (found.value is None) == (found.word != "lr")
        assert found.value is None or messages.LEAST <= found.value <= messages.MOST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pause", Message("pause")),
        ("  Stop-After-Epoch\n", Message("stop-after-epoch")),
        ("lr 1e-4", Message("lr", 1e-4)),
        ("LR .5", Message("lr", 0.5)),
        ("lr +2.5E-1", Message("lr", 0.25)),
    ],
)
def test_capitals_and_spaces_around_do_not_count(text: str, message: Message) -> None:
    assert parse(text) == message


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("paus", "unknown message 'paus'; did you mean pause?"),
        ("stopafterepoch", "unknown message 'stopafterepoch'; did you mean stop-after-epoch"),
        ("", "unknown message ''; there are pause, resume, checkpoint, stop, stop-after-epoch, status, lr, help"),
        ("\x1b[2J", r"unknown message '\\x1b[2J'; there are "),
        ("pause now", "pause stands alone, got 'pause now'"),
        ("lr", "lr: expected one number above 0, such as lr 1e-4, got ''"),
        ("lr 0", "lr: expected one number above 0, such as lr 1e-4, got '0'"),
        ("lr -1", "lr: expected one number above 0, such as lr 1e-4, got '-1'"),
        ("lr nan", "lr: expected one number above 0, such as lr 1e-4, got 'nan'"),
        ("lr 1_0", "lr: expected one number above 0, such as lr 1e-4, got '1_0'"),
        ("lr 1 2", "lr: expected one number above 0, such as lr 1e-4, got '1 2'"),
        ("lr 1e300", r"lr: expected a number from 1.2e-38 to 3.4e+38, got 1e300"),
        ("x" * 300, "a message has at most 200 characters, got 300"),
    ],
)
def test_what_is_no_message_is_told_with_the_nearest_name(text: str, rule: str) -> None:
    with pytest.raises(MessageError) as told:
        parse(text)
    assert str(told.value).startswith(rule)


def test_help_has_every_word_in_one_line() -> None:
    assert all(f"{word}: " in messages.told() for word in messages.WORDS)
    assert messages.told().isprintable()
    assert messages.at_once("help", None) == messages.told()


def test_the_status_tells_where_training_stands() -> None:
    progress = Progress(
        phase="fit",
        epoch=3,
        epochs=8,
        iteration=1142,
        iterations=1350,
        fitting=lambda: "b0412\n(37 sets)",
        loss=0.12345,
        metrics={"f1_score": 0.91, "loss": 0.2},
        key_metric="f1_score",
        best=0.934,
        best_epoch=2,
        seconds_left_run=100,
    )
    assert messages.status(progress) == (
        r"epoch 3 of 8, iteration 1,142 of 1,350, set b0412\n(37 sets), loss 0.1235, f1_score 0.9100, "
        "best f1_score 0.9340 in epoch 2, 1:40 left in all"
    )
    paused = Progress(phase="paused", epoch=1, epochs=2, seconds_left_run=9.0)
    assert messages.status(paused) == "paused, epoch 1 of 2"
    assert messages.status(Progress(phase="validate", epoch=1, epochs=2)) == "epoch 1 of 2, validating"
    assert messages.status(None) == "data and model are being made ready"


@given(st.lists(st.floats(), max_size=90), st.integers(2, 40))
def test_a_curve_in_a_line_is_no_wider_than_asked_and_reaches_both_ends(values: list[float], width: int) -> None:
    drawn = sparkline.of(values, width)
    assert len(drawn) <= width
    assert set(drawn) <= {*sparkline.LEVELS, sparkline.GAP}
    finite = {value for value in values if math.isfinite(value)}
    if len(finite) > 1 and max(finite) - min(finite) > 1e-300:
        assert {sparkline.LEVELS[0], sparkline.LEVELS[-1]} <= set(drawn)


def test_a_curve_falls_where_its_values_do() -> None:
    assert sparkline.of([8, 7, 6, 5, 4, 3, 2, 1]) == "█▇▆▅▄▃▂▁"
    assert sparkline.of([1.0, math.nan, 1.0]) == "▁·▁"
