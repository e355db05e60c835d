"""One HTTP exchange with a server that may do anything: bytes and seconds are bounded from the first to the last.

The clients at hand bound the seconds between two bytes, not those of an answer, and bytes before decompression, not after.
"""

import http.client
import io
import math
import ssl
import time
import zlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from llmsynthor.errors import LLMError, Problem
from llmsynthor.llm.endpoint import Endpoint, Route
from llmsynthor.texts import Secret, fit

CHUNK = 1 << 16
CONNECT_SECONDS = 10.0
MOST_BYTES = 2 << 20
"""An answer of 4,096 tokens streamed event by event has about one million bytes."""

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
    clock, sent = _Clock(bounds.seconds), False
    connection = _connect(endpoint.route(), clock)
    try:
        connection.request("POST", endpoint.target(path), body, _headers(endpoint, key))
        sent = True
        with connection.getresponse() as response:
            return _read(response, bounds)
    except TimeoutError as cause:
        if not sent:
            raise WireError("away", "the server cannot be reached: it takes no request") from cause
        raise WireError("late", f"no whole answer within {bounds.seconds:g} seconds") from cause
    except ConnectionError as cause:
        what = "the connection broke" if sent else "the server cannot be reached"
        raise WireError("away", f"{what} ({cause.strerror or type(cause).__name__})") from cause
    except http.client.IncompleteRead as cause:
        raise WireError("cut", "the answer is cut short") from cause
    except (http.client.HTTPException, ValueError, zlib.error, EOFError) as cause:
        raise WireError("odd", f"the answer is no HTTP ({type(cause).__name__})") from cause
    except OSError as cause:
        raise WireError("away", f"the server cannot be reached ({cause.strerror or type(cause).__name__})") from cause
    finally:
        connection.close()


class _Clock:
    """Seconds that are left of an exchange."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()

    def at_most(self, seconds: float = float("inf")) -> float:
        """Seconds to wait now; raises TimeoutError when none is left."""
        left = self.left()
        if left <= 0:
            raise TimeoutError
        return min(left, seconds)


class _Timed(io.RawIOBase):
    """The reading end of a socket that gives up when the clock has run out, however slowly bytes drip in."""

    def __init__(self, sock: Any, clock: _Clock) -> None:
        self._sock, self._raw, self._clock = sock, sock.makefile("rb", buffering=0), clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._clock.at_most())
        found: int | None = self._raw.readinto(buffer)
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connect(route: Route, clock: _Clock) -> http.client.HTTPConnection:
    """Connect, by way of a proxy where one is set; what is read is read against the clock."""
    seconds = clock.at_most(CONNECT_SECONDS)
    if route.tls:
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            route.host, route.port, timeout=seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(route.host, route.port, timeout=seconds)
    if route.tunnel is not None:
        connection.set_tunnel(*route.tunnel, headers=dict(route.headers))

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: Any, *more: Any, **named: Any) -> None:
            sock.settimeout(clock.at_most())
            super().__init__(_Makes(sock, clock), *more, **named)  # type: ignore[arg-type]  # all it does is makefile

    connection.response_class = Response
    return connection


class _Makes:
    """Stands for a socket of which a response wants nothing but a file to read."""

    def __init__(self, sock: Any, clock: _Clock) -> None:
        self._sock, self._clock = sock, clock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock, self._clock), CHUNK)


def _headers(endpoint: Endpoint, key: Secret | None) -> dict[str, str]:
    login = endpoint.authorization(key)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= {"User-Agent": "llmsynthor", "Connection": "close"}
    return {**headers, **dict(endpoint.route().headers_in_clear), **({"Authorization": login} if login else {})}


def _read(response: http.client.HTTPResponse, bounds: Bounds) -> Reply:
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    parts, size = list[bytes](), 0
    while chunk := response.read(CHUNK):
        for part in unpack(chunk, bounds.bytes - size + 1):
            parts.append(part)
            size += len(part)
        if size > bounds.bytes:
            raise WireError("long", f"the answer is longer than {bounds.bytes:,} bytes")
    if response.length:
        raise WireError("cut", "the answer is cut short")
    kind = fit(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()[:80]
    return Reply(status=response.status, kind=kind, body=b"".join(parts), retry_after=_retry_after(response.headers))


def _unpacker(encoding: str) -> Any:
    """Give what unpacks a piece into pieces of at most so many bytes together."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda chunk, _most: (chunk,)
    if name not in ("gzip", "x-gzip", "deflate"):
        raise WireError("odd", f"the answer is packed in a way that was not asked for ({fit(name)[:40]})")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    return lambda chunk, most: (unpacking.decompress(chunk, most),)


def _retry_after(headers: http.client.HTTPMessage) -> float | None:
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
