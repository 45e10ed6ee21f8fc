"""A checker that asks others in turn."""

from __future__ import annotations

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail

from mailstack.accounts.checker import AllowAnyChecker, FirstOf


class Trouble(AllowAnyChecker):
    def requestAvatarId(self, credentials):  # noqa: N802
        return fail(ZeroDivisionError())


def ask(*checkers, user=b"carol@elsewhere.test", password=b"carol@elsewhere.test"):
    return FirstOf(checkers).requestAvatarId(UsernamePassword(user, password))


def result(deferred: Deferred):
    results = []
    deferred.addBoth(results.append)
    (only,) = results
    if hasattr(only, "raiseException"):
        only.raiseException()
    return only


def test_the_first_that_knows_decides():
    assert result(ask(AllowAnyChecker(["elsewhere.test"]), AllowAnyChecker())) == b"carol@elsewhere.test"


def test_nobody_knows():
    with pytest.raises(UnauthorizedLogin):
        result(ask(AllowAnyChecker(["elsewhere.test"]), AllowAnyChecker(), password=b"wrong"))


def test_trouble_is_no_no():
    with pytest.raises(ZeroDivisionError):
        result(ask(Trouble(), AllowAnyChecker()))
