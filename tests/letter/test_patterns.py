"""Patterns fit what people would say they fit, and never take long."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.letter.patterns import (
    PatternError,
    address_pattern,
    domain_pattern,
    fits_address,
    fits_any_domain,
    fits_domain,
)

BOB = Address("Bob", "Home.test")


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("bob@home.test", True), ("BOB@HOME.TEST", True), ("*@home.test", True), ("bob@*", True), ("*", True),
        ("b?b@home.*", True), ("**b@*test", True), ("bo@home.test", False), ("*@other.test", False), ("<>", False),
    ],
)  # fmt: skip
def test_addresses_fit_by_stars_and_question_marks(pattern: str, fits: bool) -> None:
    assert fits_address(address_pattern(pattern), BOB) is fits


def test_only_the_null_pattern_and_the_star_fit_the_null_reverse_path() -> None:
    assert fits_address("<>", None)
    assert fits_address("*", None)
    assert not fits_address("*@*", None)


@pytest.mark.parametrize(
    ("pattern", "domain", "fits"),
    [
        ("home.test", "home.test", True),
        ("Home.Test", "home.test", True),
        ("home.test", "mx.home.test", False),
        ("*.home.test", "mx.home.test", True),
        ("*.home.test", "home.test", False),
        ("*.home.test", "nothome.test", False),
        ("*", "[192.0.2.1]", True),
        ("bücher.test", "xn--bcher-kva.test", True),
    ],
)
def test_domains_fit_exactly_or_beneath(pattern: str, domain: str, fits: bool) -> None:
    assert fits_domain(domain_pattern(pattern), domain) is fits
    assert fits_any_domain((domain_pattern("else.test"), domain_pattern(pattern)), domain) is fits


@pytest.mark.parametrize("text", ["", "bob", "a b@home.test", "x" * 400 + "@home.test", "*\x1b[2J"])
def test_what_is_no_pattern_of_addresses_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        address_pattern(text)


@pytest.mark.parametrize("text", ["", "*home.test", "a..b", "*.*", "a b", "*.[192.0.2.1]"])
def test_what_is_no_pattern_of_domains_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        domain_pattern(text)


@given(pattern=st.text("ab*?", max_size=12), local=st.text("ab", min_size=1, max_size=12))
def test_patterns_mean_what_a_shell_means(pattern: str, local: str) -> None:
    address = Address(local, "x.test")
    expected = fnmatch.fnmatchcase(f"{local}@x.test", f"{pattern}@x.test")
    assert fits_address(f"{pattern}@x.test", address) is expected


def test_no_pattern_takes_long() -> None:
    began = time.process_time()
    assert not fits_address("*a" * 150 + "b@x.test", Address("a" * 64, "x.test"))
    assert time.process_time() - began < 1
