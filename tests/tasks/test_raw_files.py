"""Raw files become files of another format by a task: made once, checked, made again when the raw ones changed."""

from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import SettingsError
from deeptrain.formats import discovery
from tasks.raw_files import RawFiles


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in (1, 2):
        np.save(tmp_path / "raw" / f"set-{number}.npy", np.full((3, 2), number, np.int16))
    (tmp_path / "raw" / "labels.csv").write_text("label\n" + "a\nb\nc\n" * 2)
    return tmp_path / "raw"


def task(raw: Path, **settings: object) -> RawFiles:
    return RawFiles(path=str(raw), to="parquet", store=str(raw.parent / "runs"), settings=settings)


def test_raw_files_are_written_once_and_again_when_they_change(raw: Path) -> None:
    made = task(raw)
    lines: list[str] = []
    made.set_status_message = lines.append
    made.set_progress_percentage = lambda part: lines.append(str(part))
    assert not made.complete()
    made.run()
    assert made.complete()
    assert lines[-2:] == ["6 of 6 samples", "100"]
    data = discovery.open(Path(made.output().path))
    assert [found.number for found in data.sets] == [1, 2]
    assert data.label_cells() == list("abc") * 2
    assert task(raw).output().path == made.output().path
    np.save(raw / "set-2.npy", np.zeros((3, 2), np.int16))
    RawFiles.clear_instance_cache()  # as in another process
    assert not task(raw).complete()


def test_a_file_that_is_short_or_gone_is_made_again(raw: Path) -> None:
    made = task(raw)
    made.run()
    file = Path(made.output().path) / "set-1.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert not made.complete()
    made.run()
    assert made.complete()
    assert file.read_bytes() == whole


def test_an_option_that_is_none_is_told(raw: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"sampels_per_set: is no option; there are allow_missing, beside, dtype, feat"
    ):
        task(raw, sampels_per_set=3).complete()
