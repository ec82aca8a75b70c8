"""The files of the page: packed, kept by the browser until they change, and none but they."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_site import Site

from dashboards.files import STATIC


@pytest.mark.parametrize(("name", "kind"), [("main.js", "text/javascript"), ("app.css", "text/css")])
def test_a_file_is_sent_whole_and_then_not_again(site: Site, name: str, kind: str) -> None:
    plain = (STATIC / name).read_bytes()
    answer = site.client.get(f"/static/{name}")
    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == plain
    assert int(answer.headers["content-length"]) < len(plain)
    again = site.client.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    bare = site.client.get(f"/static/{name}", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in bare.headers
    assert bare.content == plain


def test_a_changed_file_is_read_again(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    from dashboards import files

    monkeypatch.setattr(files, "STATIC", tmp_path)
    files._names.cache_clear()
    path = tmp_path / "some.js"
    path.write_text("1")
    try:
        assert site.client.get("/static/some.js").text == "1"
        path.write_text("2")
        os.utime(path, ns=(1, 1))
        assert site.client.get("/static/some.js").text == "2"
    finally:
        files._names.cache_clear()


@pytest.mark.parametrize(
    "path", ["../app.py", "..%2Fapp.py", "%2e%2e/app.py", "..\\app.py", "%00", "", ".", "absent.js", "é"]
)
def test_nothing_else_is_sent(site: Site, path: str) -> None:
    answer = site.client.get(f"/static/{path}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}
