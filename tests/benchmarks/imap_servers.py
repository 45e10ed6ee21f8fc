"""Servers with IMAP that bench_imap measures: ours, and a Dovecot of our own on Maildir, both to be started again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.table import peers, site

DOVECOT = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {folder}/mail/%{{user}}
mail_home = {folder}/mail/%{{user}}
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb static {{
  password = {password}
}}
userdb static {{
  fields {{
    uid = {owner}
    gid = {owner}
    home = {folder}/mail/%{{user}}
  }}
}}
"""
"""IMAP alone, for Debian's packages have each protocol in one of its own."""


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[int]:
    """The port of a server, from its start to its end; a new folder is furnished first."""
    if not folder.exists():
        site.furnish(folder, accounts=1, imap=True)
    with site.running(folder) as running:
        yield running.imap


@contextlib.contextmanager
def dovecot(folder: Path) -> Iterator[int]:
    """The port of a Dovecot, from its start to its end."""
    for name in ("run", "state", "mail"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    os.chown(folder / "mail", peers.OWNER, peers.OWNER)
    port, said = site.free_port(), folder / "said"
    config = folder / "dovecot.conf"
    config.write_text(DOVECOT.format(folder=folder, owner=peers.OWNER, port=port, password=PASSWORD))
    with said.open("wb") as stream:
        process = subprocess.Popen(
            [peers.found("dovecot") or "dovecot", "-F", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        ending = time.monotonic() + site.PATIENCE
        while not site.answers(port, 1):
            if process.poll() is not None or time.monotonic() > ending:
                raise SystemExit(f"Dovecot does not start: {said.read_text(errors='replace')[-300:]}")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
