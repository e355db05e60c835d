"""The address of a server: checked, freed of user and password, and the way there, with the proxies of the environment."""

import base64
import os
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from llmsynthor.errors import ChoiceError, Problem
from llmsynthor.texts import Secret, fit, unfit

DEFAULT = "https://api.openai.com/v1"
LONGEST = 2_000
LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The address of a proxy, freed of user and password, and what lets in there."""

    url: str
    login: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A base URL; `shown` is what people, run.json and the ledger see of it."""

    tls: bool
    host: str
    port: int
    path: str
    query: str
    shown: str
    login: Secret | None = field(default=None, repr=False)

    def url(self, path: str) -> str:
        """The whole address for a path; one that begins with a slash is below the host, not `/v1`."""
        base = self.path.removesuffix("/v1") if path.startswith("/") else self.path
        query = f"?{self.query}" if self.query else ""
        return f"{'https' if self.tls else 'http'}://{_place(self.host, self.port)}{base}/{path.lstrip('/')}{query}"

    def authorization(self, key: Secret | None) -> str | None:
        """The header that lets in: the key, or user and password of the URL."""
        if key is not None:
            return f"Bearer {key.reveal()}"
        return f"Basic {self.login.reveal()}" if self.login is not None else None

    def proxy(self) -> Proxy | None:
        """What the environment sets for the way to the server; never to this machine itself. Raises ChoiceError."""
        from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  (reads all that encrypts)

        if self.host in LOOPBACK or self.host.startswith("127.") or proxy_bypass(self.host):
            return None
        scheme = "https" if self.tls else "http"
        given = getproxies()
        proxy = given.get(scheme) or given.get("all")
        if not proxy:
            return None
        found = _split(proxy if "://" in proxy else f"http://{proxy}", f"{scheme}_proxy")
        port = found.port or (443 if found.scheme == "https" else 80)
        return Proxy(url=f"{found.scheme}://{_place(str(found.hostname), port)}", login=_basic(found))


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def own_address(base_url: str | None) -> str | None:
    """The address that was given, here or in OPENAI_BASE_URL; None for OpenAI's own."""
    return base_url or os.environ.get("OPENAI_BASE_URL") or None


def read_endpoint(base_url: str | None) -> Endpoint:
    """Read a base URL; raises ChoiceError that never shows user, password or what stands behind a question mark."""
    text = base_url or DEFAULT
    found = _split(text, "--base-url")
    path = found.path.rstrip("/")
    host = f"[{found.hostname}]" if ":" in str(found.hostname) else str(found.hostname)
    port = f":{found.port}" if found.port else ""
    return Endpoint(
        tls=found.scheme == "https",
        host=str(found.hostname),
        port=found.port or (443 if found.scheme == "https" else 80),
        path=path,
        query=found.query,
        shown=f"{found.scheme}://{host}{port}{path}{'?' + STARRED if found.query else ''}",
        login=_basic(found),
    )


STARRED = "****"


def _split(text: str, where: str) -> SplitResult:
    """Take an address apart; of one that cannot be read as much is shown as holds no password."""

    def refuse(what: str, found: str | None = None) -> ChoiceError:
        advice = "give an address such as http://127.0.0.1:8000/v1"
        return ChoiceError(Problem(where=where, what=what, found=found, advice=advice))

    if len(text) > LONGEST:
        raise refuse("the address is too long", f"{len(text):,} characters")
    if unfit(text) or any(letter.isspace() for letter in text) or not text.isascii():
        raise refuse("the address holds blanks, control characters or letters that are not ASCII")
    try:
        found = urlsplit(text)
        host, _ = found.hostname, found.port
        _basic(found)
        if host is not None:
            host.encode("idna")
    except (ValueError, UnicodeError):
        raise refuse("the address cannot be read", fit(text.rpartition("@")[2])[:80]) from None
    if found.scheme not in ("http", "https") or not host:
        raise refuse("the address names no http or https server", fit(text.rpartition("@")[2])[:80])
    if found.query:
        Secret(found.query)  # keys stand there at times
    return found


def _basic(found: SplitResult) -> Secret | None:
    """User and password of an address, as the header wants them; each is a secret from here on."""
    if not found.username and not found.password:
        return None
    user, password = unquote(found.username or ""), unquote(found.password or "")
    if password:
        Secret(password)
    return Secret(base64.b64encode(f"{user}:{password}".encode()).decode())
