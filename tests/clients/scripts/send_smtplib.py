"""Python's smtplib: HOST PORT (starttls|tls) CA USER PASSWORD MECHANISM FROM TO FILE."""

import smtplib
import ssl
import sys
from pathlib import Path

host, port, mode, ca, user, password, mechanism, sender, recipient, file = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
if mode == "tls":
    client = smtplib.SMTP_SSL(host, int(port), timeout=20, context=trust)
else:
    client = smtplib.SMTP(host, int(port), timeout=20)
    client.starttls(context=trust)
with client:
    client.ehlo()
    client.user, client.password = user, password
    client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
    client.sendmail(sender, [recipient], Path(file).read_bytes(), mail_options=["BODY=8BITMIME"])
