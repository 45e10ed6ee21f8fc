"""What the clients of a server hold of its memory, all together."""

from __future__ import annotations

from mailstack.policy.permissions import Relaying
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ListenerContext, ServerSession
from mailstack.protocols.smtp.session_state import MIN_RECIPIENTS, RECIPIENT_OCTETS
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.letters import SERVER
from tests.queue.rig import Rig

BEGIN = b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\n"


def taken(crowd: MemoryBudget, recipients: int, end: bytes = b"") -> int:
    """Of so many recipients that one client names."""
    rig = Rig()
    engine = ServerEngine(Capabilities(SERVER))
    wire = Wire(ScriptedEngine(), engine)
    rules = MxRules(Intake(SERVER, rig.queue, rig.store, rig.directory), Relaying(()))
    session = ServerSession(wire.server, engine, rules, rig.clock, ListenerContext(recipient_budget=crowd))
    conversation = session.serve()
    wire.carry(wire.server, BEGIN + b"RCPT TO:<bob@home.test>\r\n" * recipients + end)
    wire.client.close()
    wire.converse(conversation)
    said = bytes(wire.server.said)
    return said.count(b"\r\n250 2.1.5")


def test_a_crowd_of_clients_holds_no_more_recipients_than_there_is_room_for() -> None:
    """RFC 5321 §4.5.3.1.8, §4.5.3.1.10: each may send a letter to 100, and the rest in another transaction."""
    assert taken(MemoryBudget(300 * RECIPIENT_OCTETS), 500) == 301
    crowd = MemoryBudget(300 * RECIPIENT_OCTETS)
    crowd.used = 250 * RECIPIENT_OCTETS
    assert taken(crowd, 500) == MIN_RECIPIENTS
    assert crowd.used == 250 * RECIPIENT_OCTETS, "what it held is given back"
    again = b"RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@home.test>\r\n"
    assert taken(crowd, 120, again) == MIN_RECIPIENTS + 1, "the others in another transaction"
    assert crowd.used == 250 * RECIPIENT_OCTETS
