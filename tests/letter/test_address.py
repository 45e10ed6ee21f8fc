"""Addresses: what RFC 5321 §4.1.2 and §4.1.3 let through, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, AddressError

ATEXT = "abcXYZ019!#$%&'*+-/=?^_`{|}~"
atoms = st.text(ATEXT, min_size=1, max_size=10)
dot_strings = st.lists(atoms, min_size=1, max_size=4).map(".".join)
quoted = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)
labels = st.text("abcxyz019_-", min_size=1, max_size=12).filter(lambda label: label.strip("-") == label)
domains = st.lists(labels, min_size=1, max_size=5).map(".".join)


@given(dot_strings, domains)
def test_a_plain_address_is_read_and_written_as_it_is(local, domain):
    address = Address.parse(f"{local}@{domain}")
    assert (address.local, address.domain) == (local, domain)
    assert str(address) == f"{local}@{domain}"


@given(quoted, domains)
def test_what_is_written_is_read_back(local, domain):
    """Quoted local parts too; they need at most as much room as they came with."""
    address = Address(local, domain)
    assert Address.parse(str(address)) == address


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_an_address_error(text):
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address
    assert str(address).isprintable()
    assert address.ascii_domain.isascii()
    assert address.key == Address.parse(address.key).key


@pytest.mark.parametrize(
    "text",
    [
        "", "alice", "@home.test", "alice@", "a@b@c.test", "a b@c.test", ".a@c.test", "a.@c.test", "a..b@c.test",
        "a@c..test", "a@-c.test", "a@c-.test", "a@.test", '"a@c.test', '"a"b@c.test', '"a\\"@c.test', '""@c.test',
        "a@c.test\n", "a@[192.0.2.256]", "a@[192.0.2.1", "a@[2001:db8::1]", "a@[IPv6:fe80::1%eth0]",
        "a@[IPv6:fe80::1%\r\n]", "a@[]", "l" * 65 + "@home.test", '"' + "l" * 65 + '"@home.test',
        "a@" + ".".join(["d" * 60] * 5), "a@" + "d" * 64 + ".test", "a<b@home.test",
    ],
)  # fmt: skip
def test_what_breaks_the_grammar_is_refused(text):
    """SMTP-14, SMTP-21."""
    with pytest.raises(AddressError):
        Address.parse(text)


def test_the_limits_are_taken():
    """SMTP-21."""
    local, domain = "l" * 64, ".".join(["d" * 63] * 3) + "." + "d" * 63
    assert Address.parse(f"{local}@{domain}") == Address(local, domain)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a@[192.0.2.1]", "[192.0.2.1]"),
        ("a@[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
        ("a@[ipv6:2001:db8:0::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_address_literals_are_put_in_one_form(text, domain):
    """RFC 5321 §4.1.3."""
    address = Address.parse(text)
    assert address.domain == domain
    assert address.is_literal


def test_the_final_dot_of_a_domain_is_dropped():
    assert Address.parse("a@home.test.") == Address("a", "home.test")


def test_the_key_folds_case_and_quotes():
    """SMTP-18."""
    assert Address.parse('"Alice"@HOME.test').key == Address.parse("alice@home.TEST").key == "alice@home.test"


def test_the_local_part_keeps_its_case():
    """SMTP-06."""
    assert str(Address.parse("Alice@Home.test")) == "Alice@Home.test"


def test_the_bare_postmaster_is_written_without_a_domain():
    assert str(Address("postmaster", "")) == "postmaster"


def test_a_quoted_at_sign_does_not_part_the_address():
    """SMTP-17."""
    address = Address.parse('"x@elsewhere.test"@home.test')
    assert (address.local, address.domain) == ("x@elsewhere.test", "home.test")


# --- beyond ASCII (RFC 6531 §3.3, RFC 6532 §3.1)

beyond = st.text(st.characters(min_codepoint=0x80, exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@given(beyond, domains)
def test_an_international_local_part_is_kept_as_written(local, domain):
    """UTF8-03."""
    address = Address.parse(f"{local}@{domain}")
    assert str(address) == f"{local}@{domain}"
    assert not address.is_ascii
    assert Address.parse(address.key).key == address.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("grüße@home.test", "gru\u0308ße@home.test"),
        ("GRÜSSE@home.test", "grüße@home.test"),
        ("a@bücher.test", "a@xn--bcher-kva.test"),
        ("a@BÜCHER.test", "a@XN--BCHER-KVA.TEST"),
        ("a@bu\u0308cher.test", "a@bücher.test"),
        ("ΑΣ@home.test", "ας@home.test"),
    ],
)
def test_spellings_of_one_address(one, other):
    """UTF8-03: form NFC without case; U-labels are A-labels."""
    assert Address.parse(one).key == Address.parse(other).key


def test_a_name_in_ascii_for_hosts_that_want_one():
    """UTF8-03."""
    address = Address.parse("A.b@Bücher.test")
    assert address.is_ascii
    assert str(address.with_a_labels) == "A.b@xn--bcher-kva.test"
    assert address.ascii_domain == "xn--bcher-kva.test"
    plain = Address.parse("a@b.test")
    assert plain.with_a_labels is plain
    assert str(Address.parse('"ü b"@c.test')) == '"ü b"@c.test'


@pytest.mark.parametrize(
    "text",
    [
        "a\u00a0b@c.test", "\u202eb@c.test", "a\u200db@c.test", "\udcff@c.test", "a@\udcff.test", "ü" * 33 + "@c.test",
        "a@ü..test", "a@-ü.test", "a@ü b.test", "a@\u2028.test", "a@☃.test", "a@xn--ü.test", "a@" + "ü" * 62 + ".test",
        "a@" + ".".join(["ü"] * 128), "a@ü。test", '"ü@c.test',
    ],
)  # fmt: skip
def test_invisible_and_invalid_characters_are_refused(text):
    """UTF8-02."""
    with pytest.raises(AddressError):
        Address.parse(text)
