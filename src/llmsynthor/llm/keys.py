"""Keys of servers: from the environment, from a file that only its owner reads, or from a keyring; never from a spec."""

import os
import stat
from pathlib import Path

from llmsynthor.errors import ChoiceError, Problem
from llmsynthor.texts import Secret

USUAL = "env:OPENAI_API_KEY"
FORMS = "env:NAME, file:PATH or keyring:SERVICE/USER"
LONGEST = 8_192


def find_key(place: str = USUAL) -> Secret | None:
    """Fetch the key from where it is kept; None where the usual variable is not set.

    Raises ChoiceError, never with the key in it.
    """
    kind, _, name = place.partition(":")
    if kind == "env" and name:
        text = os.environ.get(name, "")
        if not text and place != USUAL:
            raise _problem("the variable of the key is not set", name, "set it, or name another place")
    elif kind == "file" and name:
        text = _read_private(Path(name).expanduser())
    elif kind == "keyring" and "/" in name:
        text = _ask_keyring(*name.split("/", 1))
    else:  # what was given may be the key itself: it is not repeated
        raise _problem("this names no place of a key", None, f"use one of: {FORMS}")
    text = text.strip()
    if not text:
        return None
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        advice = "a key is one line of ASCII characters without blanks; copy it again"
        raise _problem("the key holds what no header can carry", None, advice, where=f"key from {place}")
    return Secret(text)


def _read_private(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _problem("the file of the key is no regular file", str(path), "name a file that holds the key")
        if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found, advice = f"{path}, mode {stat.S_IMODE(status.st_mode):o}", f"run: chmod 600 {path}"
            raise _problem("others than its owner may read the file of the key", found, advice)
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 2)
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or "it is no text"
        raise _problem(f"the file of the key cannot be read ({reason})", str(path), "check the path") from cause


def _ask_keyring(service: str, user: str) -> str:
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415  (only where somebody keeps keys there)
    except ImportError as cause:
        advice = "install the package keyring, or keep the key in the environment or a file"
        raise _problem("there is no keyring here", None, advice) from cause
    try:
        found = keyring.get_password(service, user)
    except (keyring.errors.KeyringError, OSError, RuntimeError) as cause:
        raise _problem(f"the keyring cannot be opened ({type(cause).__name__})", None, "unlock it") from cause
    if not found:
        raise _problem("the keyring holds no such key", f"{service}/{user}", "store it there under these names")
    return str(found)


def _problem(what: str, found: str | None, advice: str, *, where: str = "--key") -> ChoiceError:
    return ChoiceError(Problem(where=where, what=what, found=found, advice=advice))
