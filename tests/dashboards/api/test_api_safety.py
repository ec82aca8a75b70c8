"""What the server refuses, what its answers say to a browser, and that nothing makes it fail or write."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dashboard_data import children, spec
from dashboard_site import HOSTILE, Site
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dashboards.app import PAGES, make_app
from dashboards.filters import NAMES
from dashboards.guard import POLICY, Access
from dashboards.routes import PATHS
from nas.errors import StoreError
from nas.store import open_store
from nas.store.reading import ChangeSign, open_reader

TOKEN = "a löng; word"


@pytest.mark.parametrize(
    "path", ["/", "/api/studies", "/static/index.html", "/plotly.js", "/nothing", "/api/points?x=1"]
)
def test_every_answer_has_the_headers_that_keep_a_browser_safe(site: Site, path: str) -> None:
    headers = site.client.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    scripts = next(part for part in POLICY.split("; ") if part.startswith("script-src"))
    assert scripts == "script-src 'self'"
    assert "frame-ancestors 'none'" in POLICY


def test_the_page_has_no_script_of_its_own_and_loads_nothing_from_elsewhere(site: Site) -> None:
    for path in PAGES:
        text = site.client.get(path.replace("{study:path}", "a%2Fb").replace("{number}", "3")).text
        assert "<script>" not in text
        assert "<script" in text
        assert "//" not in text.replace("<!doctype html>", "").replace("<!--", "")


def test_plotly_is_sent_packed_once_and_not_again(site: Site) -> None:
    answer = site.client.get("/plotly.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert "Plotly" in answer.text
    again = site.client.get("/plotly.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = site.client.get("/plotly.js", headers={"accept-encoding": "identity"})
    assert plain.text == answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(site: Site, method: str) -> None:
    for path in ("/api/studies", "/", "/nothing"):
        answer = site.client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/api/studies", "/api/events", "/api/export.csv", "/static/main.js"])
def test_head_is_answered_without_a_body(site: Site, path: str) -> None:
    answer = site.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("host", "header", "admitted"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST:1", True),
        ("127.0.0.1", "[::1]:8080", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "evil.example:8080", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1@evil.example", False),
        ("127.0.0.1", "192.168.0.7", False),
        ("127.0.0.1", "", False),
        ("192.168.0.7", "192.168.0.7:80", True),
        ("192.168.0.7", "192.168.0.8", False),
        ("0.0.0.0", "10.0.0.3:8080", True),
        ("0.0.0.0", "evil.example", False),
        ("lab.example", "lab.example:9", True),
    ],
)
def test_the_host_header_must_name_the_server(site: Site, host: str, header: str, admitted: bool) -> None:
    app = make_app(str(site.path), Access(host))
    answer = TestClient(app, base_url="http://localhost").get("/", headers={"host": header})
    assert answer.status_code == (200 if admitted else 421)


def test_a_token_is_asked_for_once_and_becomes_a_cookie(site: Site) -> None:
    client = TestClient(make_app(str(site.path), Access("0.0.0.0", TOKEN)), base_url="http://10.0.0.3")
    assert client.get("/api/studies").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/static/main.js").status_code == 401
    client.cookies.set("nas_token", "wrong")
    assert client.get("/").status_code == 401
    client.cookies.clear()
    entered = client.get("/trial/a%2Fb/3", params={"token": TOKEN, "y": "accuracy"}, follow_redirects=False)
    assert entered.status_code == 303
    assert entered.headers["location"] == "/trial/a%2Fb/3?y=accuracy"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(entered.headers["set-cookie"].split("; "))
    assert client.get("/api/studies").status_code == 200
    assert client.get("//evil.example/", params={"token": TOKEN}, follow_redirects=False).status_code != 303


def test_a_hostile_name_is_data_wherever_it_is_shown(site: Site) -> None:
    assert HOSTILE in json.dumps(site.get("/api/studies"), ensure_ascii=False)
    answer = site.client.get("/api/studies")
    assert answer.headers["content-type"] == "application/json"
    assert site.client.get("/api/points", params={"study": HOSTILE}).json()["studies"] == [HOSTILE]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("points?state=done", "unknown state 'done'"),
        ("points?study=frist", "did you mean 'first'?"),
        ("points?dataset=mnist", "unknown dataset 'mnist'"),
        ("points?kind=parent", "unknown value of 'kind' 'parent'"),
        ("points?x=latenzy", "did you mean 'latency'?"),
        ("points?x=accuracy", "x and y are both 'accuracy'"),
        ("points?limit=0", "a whole number from 1 to 1000000"),
        ("points?accuracy_min=high", "accuracy_min='high'; a finite number"),
        ("points?flops_max=nan", "a finite number"),
        ("points?colour=red", "unknown parameter 'colour'"),
        ("points?x=flops&x=params", "parameter 'x' is given 2 times"),
        ("trials?axis=ratio", "write NAME:LABEL"),
        ("trials?axis=nothing:1", "unknown axis 'nothing'"),
        ("trials?axis=cardinality:nine", "label of axis 'cardinality'"),
        ("trials?sort=beauty", "unknown quantity for 'sort' 'beauty'"),
        ("trials?limit=1001", "from 1 to 1000"),
        ("trials?offset=-1", "offset='-1'"),
        ("trials?descending=yes", "unknown value of 'descending'"),
        ("published?weights=v9", "unknown value of 'weights' 'v9'"),
        ("axes?y=beauty", "unknown quantity for 'y'"),
        ("export.csv?study=nothing", "unknown study 'nothing'"),
        ("progress?y=flops", "x and y are both 'flops'"),
    ],
)
def test_a_bad_parameter_is_refused_in_one_line_that_says_what_is_allowed(site: Site, query: str, said: str) -> None:
    error = site.get(f"/api/{query}", 400)["error"]
    assert said in error
    assert "\n" not in error


# --- nothing makes it fail ------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.sampled_from(
        [
            *(
                "first",
                "second",
                "odd",
                HOSTILE,
                "digits",
                "complete",
                "failed",
                "child",
                "accuracy",
                "flops",
                "latency",
            ),
            *("number", "0", "1", "7", "-1", "1e999", "nan", "9" * 20, "cardinality:1", "first:1", "second:2", "v1"),
        ]
    ),
    st.text(max_size=12),
)
QUERIES = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([*NAMES, "x", "y", "limit", "sort", "descending", "offset", "trial", "weights"]),
            st.text(max_size=6),
        ),
        WORDS,
    ),
    max_size=4,
)

FILTERED = ("/api/points", "/api/trials", "/api/progress", "/api/axes", "/api/export.csv", "/api/export.json")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One site for all examples: its database is only read."""
    path = tmp_path_factory.mktemp("fuzzed") / "studies.db"
    with open_store(path) as store:
        children(store, store.create_study("first", spec()), 3)
        children(store, store.create_study("second", spec(objectives=("accuracy", "latency:min"))), 3, latency=True)
        store.create_study(HOSTILE, {"space": 3, "image": "no", "objectives": ["?"], "recipe": None, "budget": "x"})
        store.create_study("odd", {"space": [], "image": ["a", 1, 2], "objectives": 7, "constraints": 5, "recipe": [1]})
        children(store, store.study("odd"), 2)
        app = make_app(str(path))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            yield client
        app.state.archive.close()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(sorted(PATHS)), study=WORDS, number=st.integers(0, 2**70), query=QUERIES)
def test_no_request_makes_the_server_fail(fuzzed: Any, path: str, study: str, number: int, query: Any) -> None:
    name = quote(study, safe="", errors="replace")
    target = path.replace("{study:path}", name).replace("{name:path}", name).replace("{number:int}", str(number))
    answer = fuzzed.get(target, params=[(k.encode("utf-8", "replace"), v.encode("utf-8", "replace")) for k, v in query])
    assert answer.status_code in (200, 400, 404), (answer.status_code, answer.text)
    if answer.status_code != 200:
        assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("study", ["odd", HOSTILE])
@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_study_of_another_program_breaks_no_page(fuzzed: Any, path: str, study: str) -> None:
    name = quote(study, safe="")
    filled = path.replace("{study:path}", name).replace("{name:path}", "resnet18").replace("{number:int}", "0")
    query = {"study": study} if path in FILTERED else {}
    answer = fuzzed.get(filled, params=query)
    there = "{study:path}" not in path or (study == "odd" and not path.endswith(".svg"))
    assert answer.status_code == (400 if path == "/api/compare" else 200 if there else 404), answer.text


# --- nothing makes it write ------------------------------------------------------------------------------------


def test_the_reader_can_write_nothing_and_makes_no_file(tmp_path: Path, site: Site) -> None:
    reader = open_reader(site.path)
    assert reader is not None
    with pytest.raises(StoreError, match="readonly"):
        reader.create_study("mine", {})
    reader.close()
    assert open_reader(tmp_path / "absent.db") is None
    assert not (tmp_path / "absent.db").exists()
    (tmp_path / "empty.db").touch()
    assert open_reader(tmp_path / "empty.db") is None
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_a_search_writes_while_the_dashboard_reads(site: Site) -> None:
    """A reader in the middle of an answer keeps nobody waiting."""
    reader = open_reader(site.path)
    assert reader is not None
    with reader.database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM nas_trials").scalar()
        writer = sqlite3.connect(site.path, timeout=0)  # to wait at all would be an error
        with writer:
            writer.execute("UPDATE nas_studies SET finished_at = NULL")
        writer.close()
    reader.close()


def test_the_sign_tells_whether_anything_was_written(site: Site) -> None:
    reader = open_reader(site.path)
    assert reader is not None
    sign = ChangeSign(reader)
    assert [sign.changed(), sign.changed()] == [True, False]
    site.store.create_study("another", {})
    assert [sign.changed(), sign.changed()] == [True, False]
    sign.close()
    reader.close()


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says"])
def test_a_file_that_is_no_database_is_one_line_and_not_a_failure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "studies.db"
    path.write_bytes(content)
    answer = TestClient(make_app(str(path)), base_url="http://localhost").get("/api/studies")
    assert answer.status_code == 503
    assert "not an SQLite database" in answer.json()["error"]
