"""The behaviors of James's mock SMTP server, over HTTP."""

from __future__ import annotations

import pytest

from tests.sandbox.compat.desk import Desk

TWICE = {
    "command": "RCPT TO",
    "condition": {"operator": "contains", "matchingValue": "bob"},
    "response": {"code": 451, "message": "later"},
    "numberOfAnswer": 2,
}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_behaviors_are_faults_until_they_are_deleted(desk: Desk) -> None:
    assert desk.get("/smtpBehaviors") == []
    assert desk.ask("PUT", "/smtpBehaviors", [TWICE]).status == 204
    ((rule, _),) = desk.faults.list()
    assert (rule.at, rule.recipient, rule.reply, rule.times) == ("rcpt", "*bob*", "451 later", 2)
    assert desk.get("/smtpBehaviors") == [TWICE]
    assert desk.ask("PUT", "/smtpBehaviors", [{"command": "DATA", "response": {"code": 550}}]).status == 204
    assert [rule.at for rule, _ in desk.faults.list()] == ["final"]
    assert desk.ask("DELETE", "/smtpBehaviors").status == 204
    assert desk.faults.list() == []
    assert desk.get("/smtpBehaviors") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"command": "NOOP", "response": {"code": 451}}]',
        b'[{"command": "DATA", "response": {"code": 250}}]',
    ],
)
def test_what_is_none_changes_nothing(desk: Desk, body: bytes) -> None:
    desk.ask("PUT", "/smtpBehaviors", [TWICE])
    assert desk.ask("PUT", "/smtpBehaviors", body).status == 400
    assert desk.get("/smtpBehaviors") == [TWICE]
    assert len(desk.faults.list()) == 1
