"""Any node can read any letter: two of them share a PostgreSQL and a bucket."""

from __future__ import annotations

from pathlib import Path

from mailstack.letter.letter import read_all
from mailstack.store.connection import DatabaseAddress
from mailstack.store.objects.bucket import Bucket
from mailstack.store.objects.contents import ContentObjects
from mailstack.store.postgresql.store import PostgresStore
from tests.aid import Pump
from tests.contracts.store import BOB, acceptance, placing
from tests.objects.server import keys_in

OCTETS = b"a line\r\n" * 20_000


def test_what_one_node_accepts_another_reads_and_removes(postgresql_url: str, bucket: Bucket, tmp_path: Path) -> None:
    pump = Pump()
    nodes = []
    for name in ("one", "two"):
        objects = ContentObjects(pump, bucket.place, tmp_path, threads=2)
        nodes.append(PostgresStore(pump, DatabaseAddress(postgresql_url), owner=f"mx.home.test@{name}", large=objects))
        pump.run(nodes[-1].open())
    first, second = nodes
    accepted = acceptance(octets=OCTETS)
    pump.run(first.queue.accept(accepted))
    assert len(keys_in(bucket)) == 1
    assert pump.run(read_all(pump.run(second.contents.get(accepted.letter.id)))) == OCTETS
    pump.run(second.queue.settle(placing(accepted.deliveries[0], size=len(OCTETS))))
    drop = pump.run(second.mailboxes.open(BOB.key, "reader"))
    (entry,) = drop.entries
    assert pump.run(read_all(pump.run(second.mailboxes.read(BOB.key, entry.uid)))).endswith(OCTETS)
    assert pump.run(second.contents.sweep()) == 0
    pump.run(second.mailboxes.update(BOB.key, collected=[], deleted=[entry.uid], steps=[]))
    pump.run(second.mailboxes.release(BOB.key, "reader"))
    for node in nodes:
        pump.run(node.close())
    assert keys_in(bucket) == []
