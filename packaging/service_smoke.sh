#!/bin/sh
# Smoke test of the installed Debian package: configures the server, starts it, sends a message and reads it back.
# Runs as root in a root of its own, with a network of its own.
set -eu

export MAILSTACK_CONFIG=/etc/mailstack/mailstack.toml
if mailstack check --no-dns; then
    echo "the check accepts a server without services" >&2
    exit 1
fi
cat > "$MAILSTACK_CONFIG" << END
hostname = "mx.home.test"
data = "/var/lib/mailstack"
domains = ["home.test"]

[listen]
submission = ["tcp:587"]
pop3 = ["tcp:110"]
END
printf 'correct horse battery' > /tmp/password
mailstack user add alice@home.test --password-file /tmp/password
mailstack check --no-dns

# The user and capability of the unit.
setpriv --reuid mailstack --regid mailstack --init-groups --inh-caps=+net_bind_service \
    --ambient-caps=+net_bind_service mailstack serve > /tmp/log 2>&1 &
server=$!
trap 'kill "$server" 2> /dev/null || true' EXIT
for attempt in $(seq 100); do
    python3 -c 'import socket; socket.create_connection(("127.0.0.1", 110), 1)' 2> /dev/null && break
    [ "$attempt" -lt 100 ] || { cat /tmp/log >&2; exit 1; }
    sleep 0.1
done
mailstack send --server 127.0.0.1:587 --tls starttls --ca-file /var/lib/mailstack/tls/ca.pem \
    --user alice@home.test --password-file /tmp/password \
    --from alice@home.test --to alice@home.test --subject 'From the package' --body 'Hello'
python3 - << 'END'
import poplib
import ssl
import time

for _ in range(100):
    client = poplib.POP3("127.0.0.1", timeout=10)
    client.stls(ssl.create_default_context(cafile="/var/lib/mailstack/tls/ca.pem"))
    client.user("alice@home.test")
    client.pass_(open("/tmp/password").read())
    if client.stat()[0]:
        assert b"Subject: From the package" in client.retr(1)[1]
        client.quit()
        break
    client.quit()
    time.sleep(0.1)
else:
    raise SystemExit("the message is not in the mailbox")
END
[ -z "$(find /var/lib/mailstack ! -user mailstack)" ] || { ls -lR /var/lib/mailstack >&2; exit 1; }
mailstack letters
kill "$server"
wait "$server" || { cat /tmp/log >&2; exit 1; }
test -s /usr/share/bash-completion/completions/mailstack
test -s /usr/share/man/man1/mailstack.1.gz
echo "sent and read back"
