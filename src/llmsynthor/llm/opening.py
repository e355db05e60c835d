"""From the words of `--llm` to a model that is opened only when it is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmsynthor.errors import ChoiceError, Problem
from llmsynthor.llm import models
from llmsynthor.llm.backend import Identity, Writer
from llmsynthor.llm.scripted import read_script
from llmsynthor.options import Server

FORMS = "none, local, local:NAME, local:/path/to/model.gguf, openai:MODEL, scripted:FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model that was chosen: who it is, and how to open it."""

    identity: Identity
    open_model: Callable[[], Writer]


def choose(text: str, *, server: Server | None = None) -> Choice | None:
    """Read the words of `--llm`; None for `none`. Raises ChoiceError; opens nothing yet, so that a replay needs no model."""
    kind, _, name = text.partition(":")
    if text == "none":
        return None
    if kind == "local":
        return _file(name) if name.endswith(".gguf") or "/" in name else _pinned(name or models.DEFAULT)
    if kind == "openai" and name:
        return _remote(name, server or Server())
    if kind == "scripted" and name:
        script = read_script(Path(name))
        return Choice(identity=script.identity, open_model=lambda: script)
    raise ChoiceError(
        Problem(where="--llm", what="this names no language model", found=text, advice=f"use one of: {FORMS}")
    )


def _pinned(name: str) -> Choice:
    model = models.find(name)
    identity = Identity(name=f"local:{model.name}", digest=model.sha256)

    def open_model() -> Writer:
        from llmsynthor.llm.local import Local  # noqa: PLC0415  (an extra, and heavy)

        return Local(models.locate(model), identity)

    return Choice(identity=identity, open_model=open_model)


def _file(name: str) -> Choice:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ChoiceError(
            Problem(where="--llm", what="there is no such file of weights", found=name, advice="check the path")
        )
    identity = Identity(name=f"local:{path.name}", digest=models.file_digest(path))

    def open_model() -> Writer:
        from llmsynthor.llm.local import Local  # noqa: PLC0415  (an extra, and heavy)

        return Local(path, identity)

    return Choice(identity=identity, open_model=open_model)


def _remote(model: str, server: Server) -> Choice:
    """The address is looked at now, so that what is wrong there is said before any work; the key when it is first needed.

    An address in the place of the name is refused: it may hold a password, and the name of a model is shown and written down.
    """
    if "://" in model:
        advice = "write openai:MODEL, and the address behind --base-url"
        raise ChoiceError(Problem(where="--llm", what="an address is no name of a model", advice=advice))
    from llmsynthor.llm.remote import identify, open_remote  # noqa: PLC0415  (heavy, only where used)

    return Choice(identity=identify(model, server.base_url), open_model=lambda: open_remote(model, server))
