"""Messages of the tests of FETCH: a tree with each kind of part."""

from __future__ import annotations


def lines(*texts: bytes) -> bytes:
    return b"".join([text + b"\r\n" for text in texts])


NESTED = lines(
    b"From: sub@domain.test",
    b"Subject: inner",
    b"Content-Type: multipart/alternative; boundary=sub1",
    b"",
    b"prologue",
    b"--sub1",
    b"",
    b"Hello",
    b"",
    b"--sub1",
    b"Content-Type: text/html",
    b"",
    b"<p>Hello</p>",
    b"--sub1--",
    b"epilogue",
)
TREE = (
    lines(
        b"Received: x",
        b"From: user@domain.test",
        b"Date: Sat, 24 Mar 2007 23:00:00 +0200",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="a',
        b' b"',
        b"",
        b"Root prologue",
        b"--a b",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"gr=C3=BCn",
        b"",
        b"",
        b"--a b ",
        b"Content-Type: message/rfc822",
        b"",
    )
    + NESTED
    + lines(
        b"",
        b"--a b",
        b"Content-Type: multipart/digest; boundary=d",
        b"",
        b"--d",
        b"",
        b"Subject: digested",
        b"",
        b"m1",
        b"--d",
        b"Content-Type: text/x-note",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"YQBi",
        b"--d--",
        b"--a b--",
        b"Root epilogue",
    )
)
