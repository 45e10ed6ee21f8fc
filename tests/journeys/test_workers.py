"""Servers with several worker processes."""

from __future__ import annotations

import contextlib
import os
import poplib
import signal
import smtplib
import socket
import threading
from pathlib import Path

import pytest

from tests.journeys.clients import log_in, send, subjects_of_bob
from tests.journeys.process import MAILSTACK, PATIENCE, TWISTD, Process, command, lines_of_json, serve
from tests.waiting import until

PROGRAMS = pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])


def greeting(port: int) -> tuple[socket.socket, bytes]:
    """A new connection, and the first line of what is said on it."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    return client, client.recv(1000)


def is_there(pid: int) -> bool:
    """Whether a process lives. Of one that has ended, and lost its parent, somebody else may hear late."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def sockets_of(pid: int) -> int:
    """How many sockets a process has open."""
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@PROGRAMS
def test_two_workers_take_letters_that_each_of_them_can_give_out(config: Path, program: list[str]) -> None:
    with serve(config, program, workers=2) as server:
        assert sorted(server.workers) == [1, 2]
        sent = [f"letter-{number}" for number in range(10)]
        for subject in sent:
            send(server.ports["submission"], subject, "bob@home.test")
        assert subjects_of_bob(server.ports["pop3"]) == sent
        server.wait_for("step=delivered")
        assert server.stop() in (0, -signal.SIGTERM)
    assert not any(map(is_there, server.workers.values()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not show the sockets of a process")
def test_connections_are_shared_out(config: Path) -> None:
    """Evenly on a quiet machine; on a busy one the system decides who comes first, but nobody gets next to nothing."""
    with serve(config, workers=2) as server, contextlib.ExitStack() as stack:
        before = {pid: sockets_of(pid) for pid in server.workers.values()}
        clients = [socket.create_connection(("127.0.0.1", server.ports["mx"]), PATIENCE) for _ in range(100)]
        for client in clients:
            stack.callback(client.close)
            assert client.recv(3) == b"220"
        taken = [sockets_of(pid) - before[pid] for pid in server.workers.values()]
        assert sum(taken) >= 100
        assert min(taken) >= 20


@pytest.mark.parametrize("table", ["limits", "exchange"])
def test_the_limit_of_a_client_holds_for_all_workers_together(config: Path, table: str) -> None:
    """CODE-16"""
    place = "" if table == "limits" else f"[{table}]\n"
    config.write_text(config.read_text() + f"[limits]\nexempt = []\n{place}connections_per_address = 3\n")
    with serve(config, workers=2) as server, contextlib.ExitStack() as stack:
        for expected in (b"220", b"220", b"220", b"421", b"421"):
            client, said = greeting(server.ports["mx"])
            stack.callback(client.close)
            assert said.startswith(expected)
        # Whoever held a place loses it with his process, and not for ever.
        for pid in server.workers.values():
            os.kill(pid, signal.SIGKILL)
        server.wait_for("is ready")
        server.wait_for("is ready")
        client, said = greeting(server.ports["mx"])
        stack.callback(client.close)
        assert said.startswith(b"220")


def test_a_maildrop_is_exclusive_among_all_workers(config: Path) -> None:
    """RFC 1939 §4, RFC 2449 §8.1.2: [IN-USE]."""
    with serve(config, workers=2) as server:
        readers = [poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE) for _ in range(6)]
        for reader in readers:
            reader.user("bob")
        readers[0].pass_("bob")
        for other in readers[1:]:
            with pytest.raises(poplib.error_proto, match="IN-USE"):
                other.pass_("bob")
        readers[0].quit()
        late = log_in(server.ports["pop3"])
        for reader in (*readers[1:], late):
            reader.close()


def test_a_worker_that_is_killed_under_load_loses_nothing_and_is_replaced(config: Path) -> None:
    """SMTP-41: its claims are let go of when the next one sits down in its place."""
    taken: set[str] = set()
    over = threading.Event()
    server = serve(config, workers=2)

    def keep_sending(name: str) -> None:
        count = 0
        while not over.is_set():
            # A connection that was cut tells nothing of its last letter.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                count += 1
                send(server.ports["submission"], f"{name}-{count}", "bob@home.test", "carol@elsewhere.test")
                taken.add(f"{name}-{count}")

    with server, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        senders = [threading.Thread(target=keep_sending, args=(f"s{number}",)) for number in range(6)]
        for sender in senders:
            sender.start()
        for number in (1, 2, 1):
            goal = len(taken) + 20
            until(lambda goal=goal: len(taken) >= goal, "letters are taken")  # type: ignore[misc]
            os.kill(server.workers[number], signal.SIGKILL)
            assert "SIGKILL" in server.wait_for(f"worker {number} (pid {server.workers[number]})")
            server.wait_for(f"worker {number} (pid")
        over.set()
        for sender in senders:
            sender.join(PATIENCE)
        found = subjects_of_bob(server.ports["pop3"])
        assert len(found) == len(set(found))
        assert taken <= set(found)

        def all_were_attempted() -> bool:
            owed = lines_of_json(command("queue", "list", "--json", "-c", str(config), "--limit", "100000"))
            to_carol = [each["deliveries"][1] for each in owed]
            return len(to_carol) >= len(taken) and all(each["status"] is not None for each in to_carol)

        until(all_were_attempted, "what dead workers had claimed is attempted by others")
        assert server.stop() == 0


@PROGRAMS
def test_workers_end_with_their_master_and_the_server_starts_again_at_once(config: Path, program: list[str]) -> None:
    with serve(config, program, workers=2) as server:
        send(server.ports["submission"], "first", "bob@home.test")
        server.kill()
        with serve(config, workers=2) as again:
            assert not any(map(is_there, server.workers.values()))
            send(again.ports["submission"], "second", "bob@home.test")
            assert subjects_of_bob(again.ports["pop3"]) == ["first", "second"]
            assert again.stop() == 0


def test_a_maildrop_of_a_killed_worker_is_free(config: Path) -> None:
    with serve(config, workers=2) as server:
        reader = log_in(server.ports["pop3"])
        for pid in server.workers.values():
            os.kill(pid, signal.SIGKILL)
        assert subjects_of_bob(server.ports["pop3"]) == []
        reader.close()


def test_a_worker_that_hangs_is_killed_and_replaced(config: Path) -> None:
    """SMTP-41: and what it held is free: here a maildrop, and places of a client."""
    config.write_text(
        config.read_text() + '[workers]\nhung_after = "1s"\n[limits]\nexempt = []\nconnections_per_address = 3\n'
    )
    with serve(config, workers=2) as server, contextlib.ExitStack() as stack:
        readers = [poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE) for _ in range(3)]
        for reader in readers:
            stack.callback(reader.close)
        readers[0].user("bob")
        readers[0].pass_("bob")
        hung = dict(server.workers)
        for pid in hung.values():
            os.kill(pid, signal.SIGSTOP)
        for _ in hung:
            assert "hung and was killed" in server.wait_for("restarting it")
        for _ in hung:
            server.wait_for("is ready")
        assert subjects_of_bob(server.ports["pop3"]) == []
        assert server.stop() == 0


def test_a_client_behind_a_proxy_is_known_and_counted_by_all_workers(config: Path) -> None:
    text = config.read_text().replace('mx = ["tcp:0', 'mx = ["haproxy:tcp:0')
    config.write_text(text + '[proxy]\nnetworks = ["127.0.0.1"]\n[limits]\nexempt = []\nconnections_per_address = 3\n')
    with serve(config, workers=2) as server, contextlib.ExitStack() as stack:
        spoken = []
        for number in (1, 1, 1, 1, 2, 3):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.ports["mx"]), PATIENCE))
            client.sendall(b"PROXY TCP4 192.0.2.%d 192.0.2.200 4711 25\r\n" % number)
            spoken.append(stack.enter_context(client.makefile("rwb")))
        greetings = [each.readline()[:3] for each in spoken]
        assert sorted(greetings[:4]) == [b"220", b"220", b"220", b"421"]
        assert greetings[4:] == [b"220", b"220"]
        for each in spoken[4:]:
            each.write(b"EHLO x.test\r\nMAIL FROM:<x@x.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n")
            each.write(b"From: x@x.test\r\nSubject: hello\r\n\r\nHello\r\n.\r\nQUIT\r\n")
            each.flush()
            assert b"\r\n250 2.0.0" in each.read()
        reader = log_in(server.ports["pop3"])
        headers = [b"\n".join(reader.top(number, 0)[1]) for number in (1, 2)]
        reader.quit()
        assert b"[192.0.2.2]" in headers[0]
        assert b"[192.0.2.3]" in headers[1]
        assert server.stop() == 0


@PROGRAMS
def test_a_hangup_is_heard_by_every_worker(config: Path, program: list[str]) -> None:
    with serve(config, program, workers=2) as server:
        # Each reads them once as it begins.
        for expected in (2, 4):
            while sum("loaded certificates" in line for line in server.said) < expected:
                server.wait_for("loaded certificates")
            server.process.send_signal(signal.SIGHUP)
        assert server.stop() in (0, -signal.SIGTERM)


def test_a_worker_that_is_asked_to_end_ends_in_order_and_is_replaced(config: Path) -> None:
    with serve(config, workers=2) as server:
        old = dict(server.workers)
        os.kill(old[2], signal.SIGTERM)
        assert "ended with status 0" in server.wait_for(f"worker 2 (pid {old[2]})")
        server.wait_for("worker 2 (pid")
        assert server.workers[2] != old[2]
        send(server.ports["submission"], "after", "bob@home.test")
        assert server.stop() == 0


@PROGRAMS
@pytest.mark.parametrize("trouble", ["port", "store"])
def test_a_worker_that_cannot_start_is_fatal(tmp_path: Path, config: Path, program: list[str], trouble: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        if trouble == "port":
            taken = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            config.write_text(config.read_text().replace("tcp:0:interface=127.0.0.1", taken, 1))
        else:
            (tmp_path / "data" / "mailstack.sqlite3").write_text("no database at all" * 500)
        begin = ["serve"] if program is MAILSTACK else ["--nodaemon", f"--pidfile={tmp_path / 'pid'}", "mailstack"]
        environ = {"MAILSTACK_WORKERS__COUNT": "2"}
        with Process(*begin, "-c", str(config), program=program, environ=environ) as ended:
            assert ended.process.wait(PATIENCE) == 1
