"""Readers of what vouches for a letter: signatures, chains, keys, policies, and the results that others claim."""

from __future__ import annotations

import ipaddress

from mailstack.letter.header import fields
from mailstack.policy.authentication import arc, dmarc, keys, signature
from mailstack.policy.authentication.canonical import BodyForm, BodyHash
from mailstack.policy.authentication.results import remove_results_of
from mailstack.policy.authentication.signature import MalformedTags, read_tags
from mailstack.policy.authentication.spf import check_host
from mailstack.policy.authentication.spf_record import PermError, read_record
from tests.aid import run
from tests.parsers.parser import Parser, Pieces, same_in_every_cut, text, unless
from tests.policy.visitor import Dns

_SIGNED = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=home.test; i=@a.home.test; s=s1;\r\n t=1; x=2; l=3;"
    b" h=from : to; bh=AAAA; b=AA AA"
)

_CHAIN = (
    b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.test; s=s; b=AAAA\r\n"
    b"ARC-Message-Signature: i=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    b"ARC-Authentication-Results: i=1; x.test; none\r\n"
)


@unless(MalformedTags)
def _tags(octets: bytes) -> None:
    tags = read_tags(text(octets))
    assert all(name and value == value.strip(" \t\r\n") and ";" not in value for name, value in tags.items())


@unless(signature.InvalidSignature)
def _signature(octets: bytes) -> None:
    """A parsed value can be looked up and compared."""
    found = signature.read_dkim(octets)
    assert found.key_name.isascii()
    assert signature.is_within(found.identity, found.domain)
    assert "from" in found.names


def _chain(octets: bytes) -> None:
    links = arc.read_chain(list(fields(octets)))
    assert isinstance(links, arc.Chain) or [link.seal.instance for link in links] == list(range(1, len(links) + 1))


@unless(signature.InvalidSignature)
def _key(octets: bytes) -> None:
    record = keys.read_record(text(octets))
    assert record.kind in ("rsa", "ed25519")
    keys.is_signed(record, signature.read_dkim(_SIGNED), octets)


def _dmarc(octets: bytes) -> None:
    policy = dmarc.read_policy(text(octets))
    assert policy is None or 0 <= policy.percent <= 100


@unless(PermError)
def _spf(octets: bytes) -> None:
    """A record that is read has a result, whatever its terms come to."""
    record = text(octets)
    read_record(record)
    names = Dns({"TXT home.test": (record,), "A home.test": ("192.0.2.1",)})
    run(check_host(ipaddress.ip_address("192.0.2.7"), "home.test", "a.b@home.test", "mx", names, reverse_lookups=names))


def _body(octets: bytes) -> None:
    for form in (BodyForm(relaxed=True), BodyForm(relaxed=False), BodyForm(relaxed=True, length=9)):

        def play(pieces: Pieces, form: BodyForm = form) -> object:
            body = BodyHash(form)
            for piece in pieces:
                body.update(piece)
            return body.finish()

        same_in_every_cut(octets, play)


def _results(octets: bytes) -> None:
    """Nothing of ours is left, and nothing else is touched."""
    left = remove_results_of("mx.home.test", octets)
    assert remove_results_of("mx.home.test", left) == left
    assert [field for field in fields(octets) if field[0] != b"authentication-results"] == [
        field for field in fields(left) if field[0] != b"authentication-results"
    ]


PARSERS = (
    Parser("tags", ("policy.authentication.signature",), _tags, (b"v=1; a = b c ;\r\n d=", b"a=;b=;", b"a=1;a=2")),
    Parser("signature", ("policy.authentication.signature", "policy.authentication.signature"), _signature, (_SIGNED,)),
    Parser("arc-chain", ("policy.authentication.arc", "policy.authentication.signature"), _chain, (_CHAIN,)),
    Parser(
        "key-record",
        ("policy.authentication.keys",),
        _key,
        (
            b"v=DKIM1; k=rsa; h=sha256; s=email; t=y:s; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALvw",
            b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        ),
    ),
    Parser(
        "dmarc-policy",
        ("policy.authentication.dmarc",),
        _dmarc,
        (b"v=DMARC1; p=reject; sp=none; np=quarantine; pct=50; adkim=s; aspf=r; t=y; psd=n", b"v=DMARC1; p=x; rua=y"),
    ),
    Parser(
        "spf-record",
        ("policy.authentication.spf_record", "policy.authentication.spf_record", "policy.authentication.spf"),
        _spf,
        (
            b"v=spf1 a/24//64 mx:%{d2}.test ptr ip4:192.0.2.0/24 ip6:2001:db8::/32 ?exists:%{ir}.%{v}.x.test ~all",
            b"v=spf1 include:home.test redirect=%{o} exp=%{lr-}.x.test x-y=%{h}%%%_%-",
        ),
    ),
    Parser(
        "canonical-body",
        ("policy.authentication.canonical",),
        _body,
        (b" a \t b\r\n\r\n \r\n\r\n", b"a\r\rb\n\r\n ", b""),
    ),
    Parser(
        "results",
        ("policy.authentication.results",),
        _results,
        (
            b"A: b\r\nAuthentication-Results: (a (b)) mx.home.test 1; spf=pass\r\nC: d\r\n",
            b'authentication-results :\r\n "mx.\\home.test"; x\r\nAuthentication-Results: other.test; none\r\n',
        ),
    ),
)
