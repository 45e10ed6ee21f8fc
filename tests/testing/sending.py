"""SMTP and POP3 clients of the programs under test."""

from __future__ import annotations

import poplib
import smtplib
from email.message import EmailMessage


def letter(to, subject="Hello", text="Hi there", sender="app@shop.example", html=None):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Shop <{sender}>", to, subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def hand_in(server, to, *args, **kwargs):
    """By the port that asks nothing."""
    with smtplib.SMTP(server.capture.host, server.capture.port, timeout=10) as client:
        client.send_message(letter(to, *args, **kwargs))


def submit(server, to, user="alice@home.test", password="alice", *, subject="Hello", text="Hi there"):
    """With login and STARTTLS."""
    with smtplib.SMTP(server.submission.host, server.submission.port, timeout=10) as client:
        client.starttls(context=server.ssl_context)
        client.login(user, password)
        client.send_message(letter(to, subject, text, sender=user))


def collect(server, user, password=""):
    """Every letter of a mailbox; they are deleted. The default password is the name of the user."""
    client = poplib.POP3_SSL(server.pop3s.host, server.pop3s.port, context=server.ssl_context, timeout=10)
    client.user(user)
    client.pass_(password or user)
    count, _ = client.stat()
    found = []
    for number in range(1, count + 1):
        found.append(b"\r\n".join(client.retr(number)[1]))
        client.dele(number)
    client.quit()
    return found
