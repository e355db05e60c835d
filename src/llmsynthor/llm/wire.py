"""One HTTP exchange with a server that may do anything: bytes and seconds are bounded from the first to the last.

httpx carries it. Its transport is used rather than its client, so that nothing of one answer (a cookie, a redirect) reaches
the next request, and its asynchronous kind, so that the seconds of the whole exchange are bounded and not those between two
bytes. Bodies are unpacked here: the decoders of httpx unpack a piece of 64 kB into 64 MB before anybody can look.
"""

import asyncio
import functools
import logging
import math
import os
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from llmsynthor.errors import LLMError, Problem
from llmsynthor.llm.endpoint import Endpoint
from llmsynthor.texts import Secret, fit

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10.0
MOST_BYTES = 2 << 20
"""An answer of 4,096 tokens streamed event by event has about one million bytes."""

MOST_PIECES = 20_000
"""An answer streamed event by event comes in a piece a token; each costs time, however small it is."""

Fault = Literal["away", "late", "cut", "long", "odd"]


class WireError(LLMError):
    """An exchange came to nothing. `fault`: the server is "away"; the answer is too "late", "cut" short, too "long", or "odd"."""

    def __init__(self, fault: Fault, reason: str) -> None:
        self.fault, self.reason = fault, fit(reason)[:200]
        advice = "check --base-url and that the server runs"
        super().__init__(Problem(where="llm server", what=self.reason, advice=advice))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: `retry_after` in seconds where the server said it; `body` after decompression."""

    status: int
    kind: str
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of one answer: bytes after decompression, seconds of the whole exchange."""

    bytes: int = MOST_BYTES
    seconds: float = 300.0


def post(endpoint: Endpoint, path: str, body: bytes, *, key: Secret | None, bounds: Bounds) -> Reply:
    """Send one request on a connection of its own, and read the answer within the bounds; raises WireError.

    Redirects are not followed: they would carry the key to another place.
    """
    exchange = _exchange(endpoint, path, body, key, bounds)
    return asyncio.run_coroutine_threadsafe(exchange, _loop(os.getpid())).result()


@functools.cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """The loop that all exchanges of a process share, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="llm wire", daemon=True).start()
    return loop


@functools.cache
def _trust() -> Any:
    """What httpx holds for a valid certificate: certifi's authorities, or those of SSL_CERT_FILE or SSL_CERT_DIR."""
    import httpx  # noqa: PLC0415  (heavy, only where used)

    logging.getLogger("httpcore").setLevel(logging.WARNING)  # below that it writes down the headers of answers
    return httpx.create_ssl_context()


async def _exchange(endpoint: Endpoint, path: str, body: bytes, key: Secret | None, bounds: Bounds) -> Reply:
    import httpx  # noqa: PLC0415  (heavy, only where used)

    answering = False
    try:
        async with asyncio.timeout(bounds.seconds), _transport(endpoint) as transport:
            limits = {"timeout": {"connect": CONNECT_SECONDS}}
            url, headers = endpoint.url(path), _headers(endpoint, key)
            request = httpx.Request("POST", url, headers=headers, content=body, extensions=limits)
            response = await transport.handle_async_request(request)
            answering = True
            try:
                return await _read(response, bounds)
            finally:
                await response.aclose()
    except TimeoutError as cause:
        raise WireError("late", f"no whole answer within {bounds.seconds:g} seconds") from cause
    except httpx.ProxyError as cause:
        raise WireError("away", "the proxy of the environment does not let through to the server") from cause
    except (httpx.ConnectError, httpx.ConnectTimeout) as cause:
        raise WireError("away", f"the server cannot be reached ({_reason(cause)})") from cause
    except httpx.RemoteProtocolError as cause:
        if answering:
            raise WireError("cut", "the answer is cut short, or its pieces are no HTTP") from cause
        if _said_nothing(cause):
            raise WireError("away", "the connection broke (no answer)") from cause
        raise WireError("odd", "the answer is no HTTP") from cause
    except httpx.TransportError as cause:
        raise WireError("away", f"the connection broke ({_reason(cause)})") from cause
    except (httpx.InvalidURL, ValueError, zlib.error) as cause:
        raise WireError("odd", f"the answer is no HTTP ({type(cause).__name__})") from cause


def _transport(endpoint: Endpoint) -> "httpx.AsyncHTTPTransport":
    import httpx  # noqa: PLC0415  (heavy, only where used)

    proxy = endpoint.proxy()
    login = proxy.login.reveal() if proxy is not None and proxy.login is not None else None
    by = {"Proxy-Authorization": f"Basic {login}"} if login else {}
    return httpx.AsyncHTTPTransport(
        verify=_trust(),
        proxy=httpx.Proxy(proxy.url, headers=by) if proxy is not None else None,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def _said_nothing(cause: Exception) -> bool:
    """Tell a connection that was closed before an answer from one on which something else is spoken."""
    return str(cause).startswith("Server disconnected")


def _reason(cause: Exception) -> str:
    """What the system said at the bottom of an error of the library."""
    found: BaseException | None = cause
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return type(cause).__name__


def _headers(endpoint: Endpoint, key: Secret | None) -> dict[str, str]:
    login = endpoint.authorization(key)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= {"User-Agent": "llmsynthor", "Connection": "close"}
    return {**headers, **({"Authorization": login} if login else {})}


async def _read(response: "httpx.Response", bounds: Bounds) -> Reply:
    unpacking = _Unpacking(response.headers.get("Content-Encoding", ""))
    parts, size, raw, pieces = list[bytes](), 0, 0, 0
    async for chunk in response.aiter_raw():
        part = unpacking.unpack(chunk, bounds.bytes - size + 1)
        parts.append(part)
        size, raw, pieces = size + len(part), raw + len(chunk), pieces + 1
        if max(size, raw) > bounds.bytes:
            raise WireError("long", f"the answer is longer than {bounds.bytes:,} bytes")
        if pieces > MOST_PIECES:
            raise WireError("long", f"the answer comes in more than {MOST_PIECES:,} pieces")
    if not unpacking.ended:
        raise WireError("cut", "the answer is cut short")
    kind = fit(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()[:80]
    return Reply(
        status=response.status_code, kind=kind, body=b"".join(parts), retry_after=_retry_after(response.headers)
    )


class _Unpacking:
    """Unpacks a body piece by piece, and never more than it is told to."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise WireError("odd", f"the answer is packed in a way that was not asked for ({fit(name)[:40]})")
        self._packed = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if name not in ("", "identity") else None

    @property
    def ended(self) -> bool:
        return self._packed is None or self._packed.eof

    def unpack(self, chunk: bytes, most: int) -> bytes:
        """At most so many bytes; a body that holds more is too long, and not read on."""
        if self._packed is None:
            return chunk
        if self._packed.eof:
            raise WireError("odd", "the packed answer goes on behind its end")
        return self._packed.decompress(chunk, most)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: a number, or a date; None where it says nothing that can be read."""
    given = str(headers.get("Retry-After") or "").strip()[:64]
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
