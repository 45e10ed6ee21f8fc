"""Start of a server, its failures, and heartbeats of workers."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailstack.config import load
from mailstack.net.certificates import private_ca
from mailstack.sandbox.simulation import SimulatedReactor
from mailstack.server.service import CannotStart, MailService, ServiceUser
from mailstack.server.workers.control_channel import BEATS, HeartbeatMonitor, HeartbeatSender
from mailstack.server.workers.master import _exit_reason
from mailstack.store.locks import Turn
from mailstack.store.sqlite.store import TURN
from tests.journeys.process import MAILSTACK, PATIENCE, TWISTD


class Begun:
    """A service that has bound its ports, and why it has not, if so."""

    def __init__(self, folder: Path, relay: str = "", owner: ServiceUser | None = None) -> None:
        file = folder / "mailstack.toml"
        file.write_text(f'hostname = "mx.home.test"\ndomains = ["home.test"]\n[relay]\n{relay}\n')
        self.reactor = SimulatedReactor()
        self.failures: list[CannotStart] = []
        host = self.reactor.host("192.0.2.1")
        self.service = MailService(host, load(file, {}), io.StringIO(), self.failures.append, owner)
        self.service.privilegedStartService()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A directory with ca.pem, which is a CA's certificate, and odd.pem, which is none."""
    private_ca(tmp_path, "smtp.provider.test", time.time())
    (tmp_path / "odd.pem").write_text("odd")
    return tmp_path


def test_a_ca_file_that_cannot_be_read_stops_the_start(certificates: Path) -> None:
    begun = Begun(certificates, 'ca_file = "odd.pem"')
    (failure,) = begun.failures
    assert "odd.pem: cannot read the CA certificates" in str(failure)


def test_other_hosts_are_checked_by_the_configured_ca_file(certificates: Path) -> None:
    begun = Begun(certificates, 'ca_file = "ca.pem"')
    assert begun.failures == []
    assert begun.service._server is not None
    caller = begun.service._server._runtime.network
    assert caller._client_tls._ca_file == certificates / "ca.pem"
    begun.reactor.result_of(begun.service.stopService())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_is_owned_by_whom_the_process_becomes(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    begun = Begun(tmp_path, owner=ServiceUser(65534, 65533))
    assert begun.failures == []
    data = tmp_path / "data"
    made = {data, *data.rglob("*")}
    assert {"lock", "tls", "key.pem", "ca-key.pem"} <= {path.name for path in made}
    assert {path for path in made if path.stat().st_uid != 65534 or path.stat().st_gid != 65533} == set()
    assert (tmp_path / "mine").stat().st_uid == 0
    begun.reactor.result_of(begun.service.stopService())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_was_there_before_stays_whose_it_is(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    begun.reactor.result_of(begun.service.stopService())
    begun = Begun(tmp_path, owner=ServiceUser(65534, 65533))
    assert {path.stat().st_uid for path in (tmp_path / "data").rglob("*")} == {0}
    begun.reactor.result_of(begun.service.stopService())


def test_a_server_that_is_stopped_before_it_has_started_ends_without_a_word(tmp_path: Path) -> None:
    """As when SIGTERM comes while the database is opened."""
    begun = Begun(tmp_path)
    store = begun.service._store
    assert store is not None
    with Turn(tmp_path / "data" / TURN, PATIENCE).acquired():
        begun.service.startService()
        end = time.monotonic() + PATIENCE
        while not store._writer._started:
            assert time.monotonic() < end
            begun.reactor.advance(0)
        stopping = begun.service.stopService()
    begun.reactor.result_of(stopping)
    assert begun.failures == []


@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_a_port_that_is_taken_ends_the_program(tmp_path: Path, program: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} of 127.0.0.1" in start_in_vain(tmp_path, program, port)


@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_a_store_that_cannot_be_opened_ends_the_program(tmp_path: Path, program: list[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mailstack.sqlite3").write_text("no database at all, and more than a header of one" * 50)
    assert "mailstack.sqlite3" in start_in_vain(tmp_path, program, 0)


def start_in_vain(folder: Path, program: list[str], port: int) -> str:
    """What the program says as it ends with status 1."""
    file = folder / "mailstack.toml"
    listen = f'[listen]\nmx = ["tcp:{port}:interface=127.0.0.1"]\n'
    file.write_text(f'hostname = "mx.home.test"\ndomains = ["home.test"]\n{listen}')
    begin = ["serve"] if program is MAILSTACK else ["--nodaemon", f"--pidfile={folder / 'pid'}", "mailstack"]
    line = [*program, *begin, "-c", str(file)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_beats_come_four_times_in_the_timeout_until_they_stop() -> None:
    clock, beats = Clock(), list[float]()
    sender = HeartbeatSender(clock, 60.0, lambda: beats.append(clock.seconds()))
    sender.start()
    clock.pump([5.0] * 12)
    assert beats == [15.0, 30.0, 45.0, 60.0]
    sender.stop()
    clock.pump([60.0] * 2)
    assert len(beats) == 4
    assert not clock.getDelayedCalls()


def test_a_timeout_of_0_disables_heartbeats() -> None:
    clock = Clock()
    sender = HeartbeatSender(clock, 0.0, lambda: pytest.fail("it beats"))
    sender.start()
    assert not clock.getDelayedCalls()
    sender.stop()


def test_one_heartbeat_in_time_resets_the_monitor() -> None:
    monitor = HeartbeatMonitor()
    for _ in range(3):
        assert [monitor.is_hung() for _ in range(BEATS)] == [False] * BEATS
        monitor.reset()
    assert [monitor.is_hung() for _ in range(BEATS + 1)] == [False] * BEATS + [True]


def test_a_machine_that_slept_does_not_find_its_workers_hung() -> None:
    """For hours; what a worker said before is read after the first beat."""
    clock, monitor, found = Clock(), HeartbeatMonitor(), list[bool]()
    sender = HeartbeatSender(clock, 60.0, lambda: found.append(monitor.is_hung()))
    sender.start()
    clock.advance(8 * 3600.0)
    assert found == [False]


def test_a_worker_is_replaced_whatever_ended_it() -> None:
    """Real-time signals have no name of their own."""
    assert _exit_reason(9, hung=False) == "was killed by SIGKILL"
    assert _exit_reason(9, hung=True) == "hung and was killed"
    assert _exit_reason(40, hung=False) == "was killed by signal 40"
    assert _exit_reason(3 << 8, hung=False) == "ended with status 3"
