"""Who may ask, and what every answer says: methods, Host, token, and the headers that keep a browser safe."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "nas_token"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """Where the server listens, and the token that another address than this machine's own must show."""

    host: str = "127.0.0.1"
    token: str = ""

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOCAL

    def admits(self, header: str | None) -> bool:
        """Whether a Host header names this server, with or without a port.

        A page elsewhere that had its name resolved to this machine (DNS rebinding) sends that name. Where all
        addresses are listened on, any address in digits is fine: it cannot have been resolved.
        """
        found = _HOST.fullmatch(header or "")
        if found is None:
            return False
        name = found[1].strip("[]").lower()
        if name in LOCAL or name == self.host.lower():
            return True
        if self.host in ("0.0.0.0", "::"):
            return _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())
        return False

    @property
    def ticket(self) -> str:
        """What the cookie holds: a digest of the token, which has no character that a cookie may not have."""
        return hashlib.sha256(f"nas {self.token}".encode("utf-8", "replace")).hexdigest()

    def knows(self, token: str) -> bool:
        """Whether this is the token; the time it takes says nothing about it."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode("utf-8", "replace"))

    def remembers(self, cookie: str) -> bool:
        """Whether this is the cookie of one who knew the token."""
        return hmac.compare_digest(cookie.encode("utf-8", "replace"), self.ticket.encode())


class Guard:
    """The outermost layer: refuses what may not ask, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(
                safely, 405, f"method {scope['method']}; GET and HEAD are allowed", [(b"allow", b"GET, HEAD")]
            )
        elif len(headers.getlist("host")) != 1 or not self.access.admits(headers.get("host")):
            await _refuse(safely, 421, f"Host {headers.get('host', '')!r} is not this server's; see --host")
        elif self.access.token and not self.access.remembers(_cookie(headers)):
            await self._ask_for_token(scope, safely)
        else:
            await self.app(scope, receive, safely)

    async def _ask_for_token(self, scope: Scope, send: Send) -> None:
        """A right `token` in the query becomes a cookie, and leaves the address; without one there is nothing."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in pairs if name == "token"), "")
        if not self.access.knows(given):
            await _refuse(send, 401, "this server needs its token: open the address that `nas dashboard` printed")
            return
        rest = urlencode([pair for pair in pairs if pair[0] != "token"])
        path = "/" + scope.get("raw_path", scope["path"].encode()).decode("latin-1").lstrip("/")  # never //elsewhere
        cookie = f"{COOKIE}={self.access.ticket}; Path=/; HttpOnly; SameSite=Strict"
        await _refuse(
            send,
            303,
            "",
            [(b"location", (path + (f"?{rest}" if rest else "")).encode("latin-1")), (b"set-cookie", cookie.encode())],
        )


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(send: Send, status: int, error: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps({"error": error}).encode() if error else b""
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
