"""Sessions of one mailbox: whatever they do, their clients have the same messages in the end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.store.mailboxes import SEEN, FlagChange, Flags
from tests.aid import examples, run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer, ImapTelnet

_SET = re.compile(r"(\d+)(?::(\d+))?")


class ClientModel:
    """What a client knows of its mailbox from the responses alone."""

    def __init__(self, telnet: ImapTelnet, *, qresync: bool) -> None:
        self.telnet = telnet
        self.messages: list[dict[str, Any]] = []
        self.is_idle = False
        if qresync:
            telnet.ask("ENABLE QRESYNC")
        self.take(telnet.ask("SELECT INBOX"), may_expunge=False)
        self.take(telnet.ask("UID FETCH 1:* FLAGS"), may_expunge=False)

    def take(self, answer: str, *, may_expunge: bool = True) -> None:
        """Applies responses; asserts what no response may do."""
        for line in answer.splitlines():
            if found := re.match(r"\* (\d+) EXISTS", line):
                count = int(found[1])
                assert count >= len(self.messages), "EXISTS shrinks"
                self.messages += [{} for _ in range(count - len(self.messages))]
            elif found := re.match(r"\* (\d+) EXPUNGE", line):
                assert may_expunge, "EXPUNGE where numbers must stay"
                del self.messages[int(found[1]) - 1]
            elif found := re.match(r"\* VANISHED ([\d:,]+)", line):
                assert may_expunge, "VANISHED where numbers must stay"
                gone = {
                    uid for first, last in _SET.findall(found[1]) for uid in range(int(first), int(last or first) + 1)
                }
                assert all("uid" in message for message in self.messages), "VANISHED needs known uids"
                self.messages = [message for message in self.messages if message["uid"] not in gone]
            elif found := re.match(r"\* (\d+) FETCH \(UID (\d+) FLAGS \((.*?)\)", line):
                message = self.messages[int(found[1]) - 1]
                assert message.setdefault("uid", int(found[2])) == int(found[2]), "a number has another uid"
                message["flags"] = frozenset(found[3].split())

    def ask(self, command: str, *, may_expunge: bool = True) -> str:
        if self.is_idle:
            self.take(self.telnet.send("DONE\r\n"))
            self.is_idle = False
        answer = self.telnet.ask(command)
        self.take(answer, may_expunge=may_expunge)
        if ".SILENT" in command and self.messages:
            self.take(self.telnet.ask("FETCH 1:* (UID FLAGS)"), may_expunge=False)
        self.fetch_new()
        return answer

    def fetch_new(self) -> None:
        """Fetches new messages: clients with QRESYNC have to know their uids."""
        first = next((n for n, message in enumerate(self.messages, 1) if "uid" not in message), None)
        if first is not None:
            self.take(self.telnet.ask(f"FETCH {first}:* (UID FLAGS)"), may_expunge=False)

    def idle(self) -> None:
        if not self.is_idle:
            self.take(self.telnet.send("i IDLE\r\n"))
            self.is_idle = True

    def hear(self) -> None:
        self.take(self.telnet.read())
        if any("uid" not in message for message in self.messages):
            self.ask("NOOP")


flags = st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged", "$Work", "$Junk"])
sequences = st.sampled_from(["1:*", "*", "1:2", "2:4,1"])
uid_sets = st.sampled_from(["1:*", "2,5", "3:7", "1:4,8:*", "6"])
by_number = st.builds(
    lambda numbers, mode, flag, silent: f"STORE {numbers} {mode}FLAGS{silent} ({flag})",
    st.sampled_from(["1:*", "*"]),
    st.sampled_from(["", "+", "-"]),
    flags,
    st.sampled_from(["", ".SILENT"]),
)
by_uid = st.builds(
    lambda uids, mode, flag, silent: f"UID STORE {uids} {mode}FLAGS{silent} ({flag})",
    uid_sets,
    st.sampled_from(["", "+", "-"]),
    flags,
    st.sampled_from(["", ".SILENT"]),
)
commands = st.one_of(
    by_number,
    by_uid,
    st.builds("UID EXPUNGE {}".format, uid_sets),
    st.builds("UID COPY {} INBOX".format, uid_sets),
    st.builds("UID MOVE {} Trash".format, uid_sets),
    st.builds("UID MOVE {} INBOX".format, uid_sets),
    st.builds("FETCH {} (UID FLAGS)".format, st.sampled_from(["1:*", "*"])),
    st.builds("UID SEARCH {}".format, st.sampled_from(["UNSEEN", "DELETED", "1:*"])),
    st.sampled_from(
        ["NOOP", "EXPUNGE", "SEARCH ALL", "APPEND INBOX (\\Seen) {3+}\r\na\r\n", "STATUS INBOX (MESSAGES)"]
    ),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 2), commands),
        st.tuples(st.integers(0, 2), st.just("IDLE")),
        st.tuples(st.just(0), st.just("DELIVER")),
    ),
    max_size=25,
)


@settings(max_examples=examples(30), deadline=None)
@given(steps)
def test_all_clients_have_the_same_messages_in_the_end(steps: list[tuple[int, str]]) -> None:
    """IMAP-67, IMAP-70, IMAP-110, IMAP-112"""
    server = ImapServer(*[HELLO] * 4)
    clients = [ClientModel(server.logged_in(), qresync=number == 2) for number in range(3)]
    for number, command in steps:
        client = clients[number]
        if command == "DELIVER":
            server.deliver(HELLO)
        elif command == "IDLE":
            client.idle()
        else:
            keeps_numbers = command.startswith(("FETCH", "STORE", "SEARCH"))
            client.ask(command, may_expunge=not keeps_numbers)
        for other in clients:
            if other.is_idle:
                other.hear()
    for client in clients:
        client.ask("NOOP")
    fresh = ClientModel(server.logged_in(), qresync=False)
    for client in clients:
        assert client.messages == fresh.messages


@pytest.mark.parametrize("command", ["STORE 1 -FLAGS (\\Flagged)", "EXPUNGE", "UID EXPUNGE 1", "CLOSE"])
def test_a_command_that_changes_nothing_hides_no_change_of_another_process(command: str) -> None:
    """IMAP-110, IMAP-112: its mod-sequence is that of the other process's change, which the view does not have yet."""
    server = ImapServer(HELLO)
    telnet, witness = server.selected(), server.selected()
    server.service.views.close()
    server.deliver(HELLO)
    telnet.ask(command)
    assert "* 2 EXISTS" in witness.lines("NOOP")


def test_a_store_without_effect_gives_a_message_no_mod_sequence() -> None:
    """IMAP-74, IMAP-112: and flags that others change there and back are reported, with the last mod-sequence."""
    server = ImapServer(HELLO, HELLO)
    telnet = server.logged_in()
    telnet.ask("SELECT INBOX (CONDSTORE)")
    server.service.views.close()
    mailboxes, seen = server.store.mailboxes, Flags(SEEN, 0)
    run(mailboxes.store_flags(BOB, [1], FlagChange(added=seen)))
    telnet.ask("STORE 1:2 +FLAGS (\\Seen)")
    telnet.ask("NOOP")
    modseqs = {message.uid: message.modseq for message in run(mailboxes.messages(BOB, limit=9))}
    lines = telnet.lines("FETCH 1:2 (MODSEQ)")[:2]
    assert lines == [f"* {uid} FETCH (MODSEQ ({modseq}))" for uid, modseq in modseqs.items()]
    for change in (FlagChange(removed=seen), FlagChange(added=seen)):
        stored = run(mailboxes.store_flags(BOB, [1], change))
    assert f"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ({stored.modseq}))" in telnet.lines("NOOP")


def test_highestmodseq_of_expunge_hides_no_change_of_another_process() -> None:
    """IMAP-114: the change of the other process has a lower mod-sequence, so it is reported before."""
    server = ImapServer(HELLO, HELLO)
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    telnet.ask("SELECT INBOX")
    telnet.ask("STORE 1:2 +FLAGS (\\Deleted)")
    server.service.views.close()
    run(server.store.mailboxes.expunge(BOB, [1]))
    lines = telnet.lines("UID EXPUNGE 2")
    assert "* VANISHED 1:2" in lines
    assert "HIGHESTMODSEQ" in lines[-1]


def test_expunge_reports_what_another_process_expunged_first() -> None:
    """IMAP-66, IMAP-110"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    telnet.ask("STORE 1 +FLAGS (\\Deleted)")
    server.service.views.close()
    run(server.store.mailboxes.expunge(BOB, [1]))
    assert telnet.lines("EXPUNGE")[0] == "* 1 EXPUNGE"
