"""A server over a database, and a visit to its page: what the browser's tests share."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

SERVE = "from nas.cli import main; main()"


@contextmanager
def serve(database: Path) -> Iterator[str]:
    """`nas dashboard` over a database on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "dashboard", "--storage", str(database), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                    connection.request("GET", "/api/studies")
                    if connection.getresponse().status == 200:
                        break
            except OSError:
                time.sleep(0.05)
            if server.poll() is not None:
                pytest.fail(f"the server ended: {server.stderr.read() if server.stderr else ''}")
        else:
            pytest.fail("the server does not answer")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=20)


class Visit:
    """One page, with what must never happen on any: an error in the console, or a request that leaves the machine."""

    def __init__(self, browser: Any, site: str, **how: Any) -> None:
        options = {"viewport": {"width": 1300, "height": 860}, "accept_downloads": True, **how}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.site = site
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def load(self, path: str, view: str) -> Any:
        """Load an address afresh, as a link from elsewhere does."""
        self.page.goto(self.site + path)
        return self.ready(view)

    def open(self, path: str, view: str) -> Any:
        """Go to an address within the page, which is faster, and needs no less than the address to show it."""
        if not self.page.url.startswith(self.site):
            return self.load(path, view)
        self.page.evaluate(
            "path => { const link = document.createElement('a'); link.href = path;"
            " document.body.append(link); link.click(); link.remove(); }",
            path,
        )
        return self.ready(view)

    def ready(self, view: str) -> Any:
        """The page, once it shows what its address says."""
        self.page.wait_for_selector(f'html[data-ready="{view}"][data-shown]', state="attached", timeout=20000)
        return self.page

    def query(self, name: str) -> list[str]:
        """The values of a parameter of the address."""
        return self.page.evaluate("name => new URLSearchParams(location.search).getAll(name)", name)  # type: ignore[no-any-return]

    def json(self, path: str) -> Any:
        """What the API answers."""
        return self.context.request.get(self.site + path).json()

    def check(self) -> None:
        """Nothing went wrong since the last check, and nothing was asked of another machine."""
        errors, requests = self.errors[:], self.requests[:]
        self.errors.clear()
        self.requests.clear()
        assert errors == []
        assert [url for url in requests if not url.startswith((self.site + "/", "data:", "blob:"))] == []
