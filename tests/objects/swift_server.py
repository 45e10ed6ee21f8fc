"""Runs OpenStack Swift with its S3 API, until nobody holds the other end of standard input any more.

A program for the Python that Swift is installed for, which is not that of the tests. It says `PORT` on a line of standard
output when Swift answers. One disk, one replica, four processes: proxy, accounts, containers, objects.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 60.0
ACCESS, SECRET = "mail:stack", "secret-of-the-tests"
SERVERS = ("account", "container", "object")

COMMON = """\
[DEFAULT]
swift_dir = {etc}
devices = {devices}
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_level = ERROR
"""
BACKEND = """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """\
[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_mail_stack = {secret} .admin
[filter:slo]
use = egg:swift#slo
"""
HASH = "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"


def main() -> None:
    import getpass

    from swift.common.ring import RingBuilder

    root = Path(tempfile.mkdtemp(prefix="mailstack-swift-"))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        (root / "disk" / "d1").mkdir(parents=True)
        etc = root / "etc"
        etc.mkdir()
        (etc / "swift.conf").write_text(HASH)
        ports = dict(zip((*SERVERS, "proxy"), free_ports(4), strict=True))
        for name, port in ports.items():
            common = COMMON.format(etc=etc, devices=root / "disk", port=port, user=getpass.getuser())
            more = PROXY.format(secret=SECRET) if name == "proxy" else BACKEND.format(name=name)
            (etc / f"{name}.conf").write_text(common + more)
        for name in SERVERS:
            builder = RingBuilder(4, 1, 1)
            builder.add_dev(
                {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[name], "device": "d1", "weight": 1.0}
            )
            builder.rebalance()
            builder.get_ring().save(str(etc / f"{name}.ring.gz"))
        programs = Path(sys.executable).parent
        for name in ports:
            command = [str(programs / f"swift-{name}-server"), str(etc / f"{name}.conf")]
            processes.append(subprocess.Popen([sys.executable, *command], stdout=sys.stderr, stdin=subprocess.DEVNULL))
        wait_for(ports.values())
        sys.stdout.write(f"{ports['proxy']}\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(root, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in free]


def wait_for(ports: object) -> None:
    end = time.monotonic() + PATIENCE
    for port in ports:  # type: ignore[attr-defined]
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > end:
                raise SystemExit(f"nothing listens on port {port}")
            time.sleep(0.05)


if __name__ == "__main__":
    main()
