"""Queue commands on a running and on a stopped server."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.clients import send
from tests.journeys.process import command, lines_of_json, serve
from tests.waiting import until


def state(config: Path, letter: str) -> str:
    return str(lines_of_json(command("queue", "show", "-c", str(config), letter, "--json"))[0]["state"])


def wait_until(config: Path, letter: str, wanted: str) -> None:
    until(lambda: state(config, letter) == wanted, f"letter {letter} is {wanted}")


def test_a_running_server_obeys_a_pause_within_a_second_and_after_a_restart(config: Path) -> None:
    with serve(config) as server:
        command("queue", "pause", "-c", str(config))

        def is_held() -> str:
            letter = send(server.ports["submission"], "x", "carol@elsewhere.test")
            return letter if state(config, letter) == "held" else ""

        held = until(is_held, "a new letter is held")
        here = send(server.ports["submission"], "x", "bob@home.test")
        assert (state(config, held), state(config, here)) == ("held", "delivered")
        server.stop()
    command("queue", "rule", "add", "-c", str(config), "--to", "bob@*")
    with serve(config) as server:
        assert state(config, held) == "held"
        stopped = send(server.ports["submission"], "x", "bob@home.test")
        assert state(config, stopped) == "held"
        rules = lines_of_json(command("queue", "rule", "list", "-c", str(config), "--json"))
        (rule,) = [each for each in rules if each["kind"] == "hold"]
        command("queue", "rule", "remove", "-c", str(config), rule["name"])
        wait_until(config, stopped, "delivered")
        command("queue", "redirect", "-c", str(config), held, "bob")
        assert "redirected" in command("journey", "-c", str(config), held)
        server.stop()


def test_a_staging_server_captures_what_is_for_customers(config: Path) -> None:
    whole = config.read_text().replace(
        "[relay.routes]",
        '[relay]\nallowed_domains = ["ours.test"]\nwhen_not_allowed = "capture"\ncapture_to = "bob@home.test"\n[relay.routes]',
    )
    config.write_text(whole)
    with serve(config) as server:
        letter = send(server.ports["submission"], "x", "carol@elsewhere.test")
        wait_until(config, letter, "delivered")
        server.stop()
    (told,) = lines_of_json(command("journey", "-c", str(config), letter, "--json"))
    assert [(step["step"], step.get("mailbox")) for step in told["steps"]][-1] == ("delivered", "bob@home.test")
