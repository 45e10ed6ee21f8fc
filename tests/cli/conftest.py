"""A server on the disk, filled by hand, and the command line to look at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner, Result
from msgspec.structs import replace

from mailstack.cli import main
from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient, Status, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets
from mailstack.store import Acceptance, Change, Filter, Settlement, Store
from mailstack.store.accounts import Account
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump

NOON = 1_764_072_000.0
"""2025-11-25 12:00 UTC."""

Mailstack = Callable[..., Result]

CONFIG = """\
hostname = "mx.home.test"
domains = ["home.test", "other.test"]
[accounts]
bcrypt_rounds = 4
"""


@pytest.fixture(autouse=True)
def _nobody_elses_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a dev environment that the developer runs."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("TZ", "UTC")
    for name in ("MAILSTACK_CONFIG", "MAILSTACK_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mailstack.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def mailstack(config: Path, monkeypatch: pytest.MonkeyPatch) -> Mailstack:
    """Runs a command about the server of `config`."""

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002
        monkeypatch.setenv("MAILSTACK_CONFIG", str(config))
        return CliRunner().invoke(main, list(arguments), input=input, prog_name="mailstack")

    return run


def lines_of(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def refusal(result: Result, status: int = 1) -> str:
    """Standard error of a command that fails."""
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    return result.stderr


@frozen
class Shelf:
    """The store of the server, for tests to put letters into."""

    pump: Pump
    store: Store

    def accept(
        self,
        sender: str = "alice@home.test",
        recipients: tuple[str, ...] = ("carol@elsewhere.test",),
        *,
        at: float = NOON,
        server: str = "mx.home.test",
        steps: tuple[tuple[str, dict[str, Any]], ...] = (("submitted", {"by": "alice@home.test"}),),
        parameters: tuple[tuple[str, str], ...] = (),
        **delivery: Any,
    ) -> LetterId:
        to = tuple(Recipient(Address.parse(each)) for each in recipients)
        letter = Letter(
            new_letter_id(at),
            Envelope(Address.parse(sender) if sender else None, to, parameters=parameters),
            Octets(b"Subject: x\r\n\r\nx\r\n"),
            Arrival(at, server, "ESMTPSA"),
        )
        deliveries = tuple(
            replace(Delivery(letter.id, number, recipient, "elsewhere.test", due=at + 300), **delivery)
            for number, recipient in enumerate(letter.envelope.recipients)
        )
        told = tuple(Step(letter.id, at, server, name, facts) for name, facts in steps)  # type: ignore[arg-type]
        self.pump.run(self.store.queue.accept(Acceptance(letter, deliveries, told)))
        return letter.id

    def change(self, letter: LetterId, number: int, **delivery: Any) -> None:
        (record,) = self.pump.run(self.store.history.records(Filter(ids=(letter,))))
        before = record.deliveries[number]
        self.pump.run(self.store.queue.settle(Settlement((Change(before, replace(before, **delivery)),))))

    def add_account(self, address: str = "alice@home.test") -> None:
        self.pump.run(self.store.accounts.add([Account(address, b"$2b$04$" + b"." * 53, NOON)]))


DEFERRED = {
    "attempts": 2,
    "status": Status(4, 2, 1),
    "text": "mx.elsewhere.test said: 450 4.2.1 mailbox busy",
    "host": "mx.elsewhere.test",
}
DELIVERED = {"state": DeliveryState.DELIVERED}
RELAYED = {"state": DeliveryState.RELAYED}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    pump = Pump()
    store = SqliteStore(pump, tmp_path / "data")
    pump.run(store.open())
    yield Shelf(pump, store)
    pump.run(store.close())
