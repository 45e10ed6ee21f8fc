"""Postfix and Dovecot of our own in a folder: never those of the system, on loopback, ended by process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.table.processes import end
from tests.benchmarks.table.site import DOMAIN, USERS, Site, answers, free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
OWNER = 5000
"""Whose the mailboxes are; an id without a name will do."""
LINES = (b"a" * 76 + b"\n") * 52
"""About 4 KB."""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.home.test
mydestination =
mynetworks = {networks}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
local_transport = error:none
alias_maps =
local_recipient_maps =
message_size_limit = 52428800
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_mailbox_base = {mail}
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
smtpd_client_connection_count_limit = 0
default_process_limit = 120
in_flow_delay = 0
"""
"""Nothing that costs it time: no look-ups, no log, no delay of clients while deliveries lag."""

HOLD = "smtpd_client_restrictions = check_client_access static:HOLD\n"

RELAY = """
transport_maps = static:smtp:[127.0.0.1]:{sink}
default_destination_concurrency_limit = 50
initial_destination_concurrency = 20
qmgr_message_active_limit = 20000
smtp_connection_cache_destinations = static:all
"""
"""As fast as it goes: connections are kept, and many are opened at once."""

SASL = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {certificate}
"""

MASTER = """
127.0.0.1:{port} inet n - n - 120 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {folder}/run
state_dir = {folder}/state
protocols {{
  pop3 = yes
}}
listen = 127.0.0.1
log_path = {folder}/log
auth_allow_cleartext = yes
auth_mechanisms = plain
auth_username_format = %{{user | username | lower}}
ssl = yes
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = {mail}/%{{user | username}}/Maildir
mail_home = {mail}/%{{user | username}}
mail_uid = 5000
mail_gid = 5000
first_valid_uid = 5000
mail_max_userip_connections = 0
default_process_limit = 500
default_client_limit = 4000
passdb passwd-file {{
  passwd_file_path = {folder}/users
}}
userdb static {{
  fields {{
    uid = 5000
    gid = 5000
    home = {mail}/%{{user | username}}
  }}
}}
service pop3-login {{
  restart_request_count = unlimited
  process_min_avail = 2
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service pop3 {{
  restart_request_count = unlimited
  process_min_avail = 4
}}
service anvil {{
  client_limit = 6000
}}
service auth {{
  client_limit = 8000
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
"""
"""Its high-performance mode: processes are used again and again."""


def missing(*programs: str) -> str:
    """Why these can't run here; empty if they can."""
    if os.geteuid() != 0:
        return "needs root, as Postfix's and Dovecot's masters do"
    absent = [program for program in programs if not found(program)]
    return f"{', '.join(absent)} not installed" if absent else ""


def found(program: str) -> str | None:
    """Where a program is."""
    return shutil.which(program, path=PATH)


def _run(*arguments: str) -> str:
    done = subprocess.run(
        arguments,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": PATH},
    )
    if done.returncode:
        raise ConnectionError(f"{' '.join(arguments[:1])} failed: {(done.stderr or done.stdout)[-300:]}")
    return done.stdout


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of the kind that a new server makes for itself."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    if not certificate.exists():
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        name = ("-subj", "/CN=mx.home.test", "-days", "30", "-nodes")
        _run("openssl", "req", "-x509", *curve, *name, "-keyout", str(key), "-out", str(certificate))
    return key, certificate


@contextlib.contextmanager
def postfix(folder: Path, mode: str, *, sink: int = 9) -> Iterator[Site]:
    """`mode`: "hold" (what comes is on the disk, and goes nowhere), "maildir", "relay" (held until released; with AUTH by
    Dovecot), or "submission" (AUTH by Dovecot, onto hold)."""
    home = folder / "postfix"
    for name in ("queue", "data", "etc"):
        (home / name).mkdir(parents=True)
    shutil.chown(home / "data", "postfix")
    mail = _mail(folder)
    (home / "mailboxes").write_text(
        "".join(f"u{number}@{DOMAIN} u{number}/Maildir/\n" for number in range(1, USERS + 1))
    )
    port = free_port()
    places = {
        "commands": Path(found("postqueue") or "").parent,
        "daemons": _run(found("postconf") or "postconf", "-d", "-h", "daemon_directory").strip(),
        "networks": "192.0.2.1" if mode in ("submission", "relay") else "127.0.0.0/8",
    }
    main = MAIN.format(folder=home, domain=DOMAIN, mail=mail, **places)
    if mode in ("submission", "relay"):
        key, certificate = _certificate(folder)
        main += SASL.format(auth=folder / "dovecot" / "run" / "auth-smtp", key=key, certificate=certificate)
    main += RELAY.format(sink=sink) if mode == "relay" else ""
    main += HOLD if mode != "maildir" else ""
    (home / "etc" / "main.cf").write_text(main)
    (home / "etc" / "master.cf").write_text(MASTER.format(port=port))
    _run(found("postfix") or "postfix", "-c", str(home / "etc"), "start")
    master = home / "queue" / "pid" / "master.pid"
    try:
        if not answers(port):
            raise ConnectionError("Postfix does not start")
        version = _run(found("postconf") or "postconf", "-d", "-h", "mail_version").strip()
        yield Site("Postfix", f"Postfix {version}", [_master(master)], port, port, folder=home)
    finally:
        end(_master(master))


def _master(file: Path) -> int:
    return int(file.read_text())


def release(site: Site) -> None:
    """Let everything go that a Postfix in the mode "relay" holds."""
    etc = str(site.folder / "etc")
    _run(found("postsuper") or "postsuper", "-c", etc, "-H", "ALL")
    _run(found("postqueue") or "postqueue", "-c", etc, "-f")


@contextlib.contextmanager
def dovecot(folder: Path) -> Iterator[Site]:
    """POP3, and AUTH for a Postfix in the same folder; the mailboxes are Maildirs that the two share."""
    home = folder / "dovecot"
    (home / "run").mkdir(parents=True)
    (home / "state").mkdir()
    key, certificate = _certificate(folder)
    names = (name for number in range(1, USERS + 1) for name in (f"u{number}", f"u{number}@{DOMAIN}"))
    (home / "users").write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in names))
    (home / "users").chmod(0o644)
    port = free_port()
    (home / "dovecot.conf").write_text(
        DOVECOT.format(folder=home, mail=_mail(folder), key=key, certificate=certificate, port=port)
    )
    with (home / "said").open("wb") as stream:
        process = subprocess.Popen(
            [found("dovecot") or "dovecot", "-F", "-c", str(home / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        if not answers(port):
            raise ConnectionError(f"Dovecot does not start: {(home / 'said').read_text()[-300:]}")
        version = _run(found("dovecot") or "dovecot", "--version").split()[0]
        yield Site("Dovecot", f"Dovecot {version}", [process.pid], pop3=port, folder=folder)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


@contextlib.contextmanager
def postfix_and_dovecot(folder: Path, mode: str, *, sink: int = 9) -> Iterator[Site]:
    """The two as one system."""
    with dovecot(folder) as reads, postfix(folder, mode, sink=sink) as takes:
        takes.name = "Postfix + Dovecot"
        takes.version = f"{takes.version}, {reads.version}"
        takes.roots += reads.roots
        takes.pop3 = reads.pop3
        yield takes


def _mail(folder: Path) -> Path:
    mail = folder / "mail"
    mail.mkdir(parents=True, exist_ok=True)
    os.chown(mail, OWNER, OWNER)
    return mail


def fill(folder: Path, user: int, letters: int) -> None:
    """Put letters of 4 KB into a Maildir, under names that tell their sizes, as Dovecot's own delivery does."""
    maildir = _mail(folder) / f"u{user}" / "Maildir"
    for place in ("new", "cur", "tmp"):
        (maildir / place).mkdir(parents=True, exist_ok=True)
    for place in (maildir.parent, maildir, *maildir.iterdir()):
        os.chown(place, OWNER, OWNER)
    stamp = time.time_ns()
    for number in range(letters):
        octets = b"From: <bench@bench.test>\nSubject: a letter\nMessage-ID: <%d@bench.test>\n\n" % number + LINES
        on_the_wire = len(octets) + octets.count(b"\n")
        file = maildir / "new" / f"{stamp // 1_000_000_000}.M{stamp}P{number}.mx,S={len(octets)},W={on_the_wire}"
        file.write_bytes(octets)
        os.chown(file, OWNER, OWNER)
