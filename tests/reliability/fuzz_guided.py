"""One reader fuzzed by atheris in a process of its own, which it ends; `fuzz_readers` starts it.

    python -m tests.reliability.fuzz_guided READER SECONDS DIRECTORY

The corpus, which begins with a whole file, is `DIRECTORY/corpus/READER`; bytes that break the law go to DIRECTORY.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["deeptrain", "pipelines"]):  # before anything else imports them
    from tests.reliability.fuzzed import TARGETS, Place


def main(name: str, seconds: str, directory: Path) -> None:
    """Fuzz until the time is over."""
    corpus = directory / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    place = Place(TARGETS[name], Path(tempfile.mkdtemp(prefix="fuzz-")))
    (corpus / "whole").write_bytes(place.whole)

    def read(data: bytes) -> None:
        place.read(data)

    options = [f"-max_total_time={float(seconds):.0f}", "-timeout=20", "-rss_limit_mb=2048", "-len_control=0"]
    most = f"-max_len={4 * len(place.whole)}"
    atheris.Setup([sys.argv[0], str(corpus), *options, most, f"-artifact_prefix={directory}/{name}-"], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
