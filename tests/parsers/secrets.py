"""SASL's mechanisms and what is kept of passwords: any messages lead to an account, or to one of four refusals."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.accounts.checker import parse_passwords
from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.sasl import MECHANISMS, Cancelled, Channel, Denied, Malformed, ScramKeys, Unavailable
from mailstack.protocols.sasl.client import ServerNotTrusted, choose
from mailstack.protocols.sasl.scram_keys import saslprep
from tests.aid import run
from tests.parsers.parser import Parser, text, unless
from tests.protocols.sasl.exchange import Keeper, OutOfAnswers, Talk

_CHANNEL = Channel("mx.home.test", {"tls-exporter": b"x" * 32}.get, ClientCertificate("CN=bob", ("bob@home.test",)))
_KEYS = ScramKeys.derive("secret", b"salt" * 4, 4096)


class _Everybody(dict[str, ScramKeys]):
    """The same keys for whoever it is: a server asks strangers too."""

    def __missing__(self, username: str) -> ScramKeys:
        return _KEYS


def _mechanism(name: str) -> Callable[[bytes], None]:
    """Messages are parted by LF LF; the first octet says whether the first of them is an initial response."""

    @unless(Denied, Malformed, Cancelled, Unavailable, OutOfAnswers)
    def feed(octets: bytes) -> None:
        initial, *answers = octets[1:].split(b"\n\n")
        talk = Talk(name, Keeper(_Everybody()), _CHANNEL)
        if octets[:1] == b"-":
            answers, first = [initial, *answers], None
        else:
            first = initial
        account = talk.prove(first, *answers)
        assert account == f"{talk.keeper.asked[-1].username}@home.test"
        assert len(talk.keeper.asked[-1].username) <= 1024

    return feed


@unless(ValueError)
def _keys(octets: bytes) -> None:
    keys = ScramKeys.read(text(octets))
    assert ScramKeys.read(str(keys)) == keys


async def _derived(_password: str, _salt: bytes, _iterations: int) -> bytes:
    return bytes(32)


@unless(ServerNotTrusted)
def _answering(octets: bytes) -> None:
    """A server asks anything: an answer or Suspicious, and trust only for who knows the password."""
    first, *others = octets.split(b"\n\n")
    answering = choose(text(first).split(), "bob", "secret", _CHANNEL.binding, _derived)
    if answering is None:
        return
    for challenge in others:
        nonce = (answering.initial or b"").rpartition(b"r=")[2]
        assert isinstance(run(answering.respond(challenge.replace(b"NONCE", nonce))), bytes)
    assert answering.trusts == (answering.name in ("PLAIN", "LOGIN"))


@unless(ValueError)
def _saslprep(octets: bytes) -> None:
    """RFC 3454: what is prepared stays as it is when it is prepared once more."""
    prepared = saslprep(text(octets))
    assert saslprep(prepared) == prepared
    saslprep(text(octets), stored=True)


_SEEDS = {
    "EXTERNAL": (b"=", b"=bob@home.test", b"-"),
    "SCRAM-SHA-256-PLUS": (b"=p=tls-exporter,,n=bob,r=abc\n\nc=cD10bHMtZXhwb3J0ZXIsLA==,r=abc,p=AAAA\n\n",),
    "SCRAM-SHA-256": (
        b"=n,a=b=2Cb,n=bo=3Db,r=abc\n\nc=biws,r=abc,p=AAAA\n\n",
        b"-n,,n=b\xc3\xb6b,r=a,x=y\n\nc=biws,r=a,p=AA==",
    ),
    "OAUTHBEARER": (b"=n,a=bob@home.test,\x01host=x\x01auth=Bearer abc==\x01\x01",),
    "XOAUTH2": (b"=user=bob\x01auth=Bearer abc\x01\x01",),
    "PLAIN": (b"=\0bob\0secret", b"-alice\0bob\0secret"),
    "LOGIN": (b"-bob\n\nsecret", b"=bob\n\nsecret"),
    "CRAM-MD5": (b"-bob 0123456789abcdef0123456789abcdef",),
}
_MODULE = {
    "SCRAM-SHA-256-PLUS": "protocols.sasl.scram",
    "SCRAM-SHA-256": "protocols.sasl.scram",
    "OAUTHBEARER": "protocols.sasl.bearer",
    "XOAUTH2": "protocols.sasl.bearer",
    "CRAM-MD5": "protocols.sasl.cram",
    "LOGIN": "protocols.sasl.plain",
}


@unless(ValueError)
def _password_file(octets: bytes) -> None:
    """Names are the file's, and there is a secret for each."""
    found = parse_passwords(text(octets))
    assert all(name and secret and f"{name}:{secret}" in text(octets) for name, secret in found.items())


PARSERS = (
    *(
        Parser(
            f"sasl-{name.lower()}",
            (_MODULE.get(name, f"protocols.sasl.{name.lower()}"), "protocols.sasl.mechanism"),
            _mechanism(name),
            _SEEDS.get(name, (b"=",)),
        )
        for name in MECHANISMS
    ),
    Parser(
        "sasl-answering",
        ("protocols.sasl.client",),
        _answering,
        (
            b"SCRAM-SHA-256\n\nr=NONCEabc,s=QUJDRA==,i=4096\n\nv=AAAA",
            b"SCRAM-SHA-256-PLUS\n\nr=NONCEabc,s=QUJDRA==,i=4096",
            b"LOGIN\n\nUsername:\n\nPassword:\n\nmore",
            b"PLAIN",
        ),
    ),
    Parser(
        "scram-keys", ("protocols.sasl.scram_keys",), _keys, (str(_KEYS).encode(), b"SCRAM-SHA-256$4096:AAAA$AAAA:AAAA")
    ),
    Parser(
        "saslprep",
        ("protocols.sasl.scram_keys",),
        _saslprep,
        ("I\u00adX".encode(), "\u2168".encode(), "\u0627\u0031".encode()),
    ),
    Parser(
        "password-file",
        ("accounts.checker",),
        _password_file,
        (b"ann:$2y$04$" + b"." * 53 + b"\n# x\nbob:word\n", b"eve:{SHA}x", b"a:b\x85c:d"),
    ),
)
