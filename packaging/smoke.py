"""Smoke test of a way to get mailstack: starts `COMMAND dev`, sends a message, and reads it in three ways.

    python packaging/smoke.py [--as-is] COMMAND...

With --as-is COMMAND itself is started, such as the default command of an image. Prints the seconds until it was ready. Exits with 1 and the reason if anything is missing.
"""

from __future__ import annotations

import json
import os
import poplib
import re
import select
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
import urllib.request
from email.message import EmailMessage
from pathlib import Path

TIMEOUT_S = 60.0
SERVICE = re.compile(r"^  (\w+) +(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)", re.MULTILINE)


def started(process: subprocess.Popen[bytes]) -> str:
    """Output of the environment up to its last line. Raises SystemExit after TIMEOUT_S."""
    assert process.stdout is not None
    deadline, output = time.monotonic() + TIMEOUT_S, b""
    while b"Press Ctrl-C" not in output:
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit(f"it did not get ready:\n{output.decode()}")
        if select.select([process.stdout], [], [], 0.1)[0]:
            output += os.read(process.stdout.fileno(), 65536)
    return output.decode()


def fetched(url: str) -> bytes:
    """Body of an HTTP response. Raises OSError."""
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
    return body


def send(port: int) -> None:
    """Sends a message to a mailbox. Raises OSError, SMTPException."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "smoke@elsewhere.test", "alice@home.test", "Smoke test"
    message.set_content("Your code is 482913.")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(message)


def check(ports: dict[str, int]) -> None:
    """Sends and reads by SMTP, HTTP and POP3. Raises AssertionError, OSError."""
    web = f"http://127.0.0.1:{ports['web']}"
    assert b"<title>" in fetched(f"{web}/"), "no page"
    fetched(f"{web}/readyz")
    send(ports["capture"])
    found = json.loads(fetched(f"{web}/v1/wait?subject=Smoke&timeout=10"))
    assert "Smoke test" in json.dumps(found), f"not in the API: {found}"
    reader = poplib.POP3("127.0.0.1", ports["pop3"], timeout=10)
    assert b"STLS" in b"\n".join(key.encode() for key in reader.capa()), "no STLS"
    reader.quit()


def main(command: list[str]) -> None:
    """Runs the smoke test, and stops the environment."""
    with tempfile.TemporaryDirectory() as home:
        begun = time.monotonic()
        environ = {**os.environ, "HOME": os.environ.get("SMOKE_HOME", home)}
        is_whole = command[0] == "--as-is"
        process = subprocess.Popen(
            command[1:] if is_whole else [*command, "dev", "--port-base", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=home,
        )
        try:
            output = started(process)
            ready = time.monotonic() - begun
            check({name: int(port) for name, port in SERVICE.findall(output)})
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    file = Path(command[-1])
    size = file.stat().st_size if file.is_file() else 0
    print(f"{' '.join(command)}: ready in {ready:.2f} s" + (f", {size / 1e6:.1f} MB" if size > 1_000_000 else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
