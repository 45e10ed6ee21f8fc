"""Static files: entity tags and compression."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mailstack.web.client_files import COMPRESS_FROM, static_routes
from mailstack.web.http_messages import Request, Response
from mailstack.web.site import Site
from tests.aid import run

TEXT = b"a { color: red }\n" * 100


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "b.js").write_bytes(b"1;")
    (tmp_path / "c.png").write_bytes(b"\x89PNG" + bytes(COMPRESS_FROM))
    (tmp_path / "notes.py").write_bytes(b"secret")
    return Site(static_routes(tmp_path, "/static/", ("X-Own", "yes")), ["x.test"])


def get(site: Site, path: str, **fields: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = run(site.respond(Request("GET", path, "x.test", fields=named)))
    assert isinstance(answer, Response)
    return answer


def test_only_files_of_known_kinds_are_there(site: Site) -> None:
    assert [get(site, f"/static/{name}").status for name in ("a.css", "b.js", "c.png")] == [200, 200, 200]
    assert [get(site, path).status for path in ("/static/notes.py", "/static/../a.css", "/static/")] == [404, 404, 404]
    assert dict(get(site, "/static/b.js").headers)["X-Own"] == "yes"


def test_text_is_compressed_if_the_client_accepts_gzip(site: Site) -> None:
    packed = get(site, "/static/a.css", accept_encoding="br, gzip;q=0.9")
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert isinstance(packed.body, bytes)
    assert gzip.decompress(packed.body) == TEXT
    assert get(site, "/static/a.css").body == TEXT
    assert "Content-Encoding" not in dict(get(site, "/static/c.png", accept_encoding="gzip").headers)


def test_each_form_of_a_file_has_a_name(site: Site) -> None:
    """RFC 9110 §8.8.3.3"""
    plain, packed = get(site, "/static/a.css"), get(site, "/static/a.css", accept_encoding="gzip")
    tags = [dict(each.headers)["ETag"] for each in (plain, packed)]
    assert tags[0] != tags[1]
    assert get(site, "/static/a.css", if_none_match=tags[0]).status == 304
    assert get(site, "/static/a.css", if_none_match=tags[1]).status == 200
