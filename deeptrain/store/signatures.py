"""Who wrote an artifact: `manifest.hmac` beside its manifest, if a key is given; without one nobody asks.

The file holds the HMAC-SHA256 (RFC 2104) of the bytes of `manifest.json` in 64 hex digits and a line end. Since the
manifest records the sha256 of every file, it vouches for all of the artifact. No other byte of an artifact depends on
the key: identities and contents are the same with and without one.

The key is the bytes of the file that the environment variable `DEEPTRAIN_KEY_FILE` names. It is no setting: an
experiment's file, which may be a stranger's, must not say what is trusted, settings are recorded in artifacts, and
options of a task are sent to a scheduler and shown on pages. A process reads it once and gives it to nobody.

With a key an artifact that is not signed by it stops whoever reads its manifest. It is not set aside as damage is: the
wrong key would otherwise have all of a store made again.
"""

import functools
import hashlib
import hmac
import os
import stat
from pathlib import Path

from deeptrain.errors import ArtifactError, SettingsError, UntrustedError
from deeptrain.files import read_regular

VARIABLE = "DEEPTRAIN_KEY_FILE"
NAME = "manifest.hmac"
LEAST_BYTES, MOST_BYTES = 16, 4096
_LENGTH = 65


def given() -> bool:
    """Whether artifacts are signed and signatures compared.

    Raises:
        SettingsError: when a key is asked for that cannot be used.
    """
    return _key() is not None


def of(manifest: bytes) -> bytes | None:
    """What stands in `manifest.hmac` beside a manifest of these bytes; None without a key.

    Raises:
        SettingsError: when a key is asked for that cannot be used.
    """
    key = _key()
    return None if key is None else hmac.new(key, manifest, hashlib.sha256).hexdigest().encode() + b"\n"


def check(directory: Path, manifest: bytes) -> None:
    """Compare the signature of an artifact, if a key is given.

    Args:
        directory: of the artifact.
        manifest: the bytes of its manifest.

    Raises:
        UntrustedError: when it has none, or not that of the key.
        SettingsError: when a key is asked for that cannot be used.
    """
    expected = of(manifest)
    if expected is None:
        return
    path = directory / NAME
    if not os.path.lexists(path):
        raise UntrustedError(f"{directory}: is not signed")
    try:
        found = read_regular(path, _LENGTH)
    except ArtifactError as error:
        raise UntrustedError(str(error)) from error
    if not hmac.compare_digest(found, expected):
        raise UntrustedError(f"{path}: is not the signature of this manifest by the key of {VARIABLE}")


def _key() -> bytes | None:
    named = os.environ.get(VARIABLE)
    return None if named is None else _read(named)


@functools.cache
def _read(named: str) -> bytes:
    def refused(rule: str, value: str) -> SettingsError:
        return SettingsError(f"{VARIABLE}: {named}: {rule}, {value}")

    if not named:
        raise SettingsError(f"{VARIABLE}: names no file; name one that holds the key, or unset it")
    try:
        descriptor = os.open(named, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise refused("must be a file that holds the key", f"cannot be read: {told}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise refused("must be a regular file", "is none")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise refused("must be for its owner alone, chmod 600", f"its mode is {mode:o}")
        if status.st_uid != os.geteuid():
            raise refused("must belong to who runs this", f"belongs to user {status.st_uid}")
        key = os.read(descriptor, MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        rule = f"must hold {LEAST_BYTES} to {MOST_BYTES:,} bytes, such as those of head -c 32 /dev/urandom"
        raise refused(rule, f"holds {len(key):,}" if len(key) <= MOST_BYTES else "holds more")
    return key
