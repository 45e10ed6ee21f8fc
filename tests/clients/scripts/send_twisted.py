"""twisted.mail's client: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE."""

import io
import sys
from pathlib import Path

from twisted.internet import defer, endpoints, ssl, task
from twisted.mail.smtp import ESMTPSenderFactory


async def send(reactor, host, port, mode, ca, user, password, _mechanism, sender, recipient, file):  # noqa: PLR0917 - the arguments of a command line
    trust = ssl.optionsForClientTLS(host, trustRoot=ssl.Certificate.loadPEM(Path(ca).read_bytes()))  # noqa: ASYNC240
    letter = io.BytesIO(Path(file).read_bytes().replace(b"\r\n", b"\n"))  # noqa: ASYNC240 - nobody else waits
    sent = defer.Deferred()
    factory = ESMTPSenderFactory(
        user.encode(),
        password.encode(),
        sender,
        recipient,
        letter,
        sent,
        contextFactory=trust,
        requireTransportSecurity=True,
        requireAuthentication=True,
        heloFallback=False,
        hostname=host,
        retries=0,
        timeout=20,
    )
    endpoint = endpoints.HostnameEndpoint(reactor, host, int(port))
    await (endpoints.wrapClientTLS(trust, endpoint) if mode == "tls" else endpoint).connect(factory)
    await sent


task.react(lambda reactor: defer.Deferred.fromCoroutine(send(reactor, *sys.argv[1:])))
