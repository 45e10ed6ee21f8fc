"""Tests as users of the PyPI package pytest-mailpit write them."""

import smtplib

BODY = "Your code is 123456, or follow https://a.test/x"


def send(smtp, recipient, subject):
    with smtplib.SMTP(smtp.host, smtp.port) as client:
        letter = f"From: a@b.test\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@b.test>\r\n\r\n{BODY}\r\n"
        client.sendmail("a@b.test", [recipient], letter)


def test_one_letter(mailpit, mailpit_inbox, mailpit_smtp):
    send(mailpit_smtp, mailpit_inbox.address, "code")
    message = mailpit_inbox.wait_for_message(subject="code")
    assert (message.code(), message.link()) == ("123456", "https://a.test/x")
    assert b"Subject: code" in mailpit.get_raw(message.id)
    mailpit_inbox.assert_no_message(subject="other", within=0.2)


def test_several_letters(mailpit_inbox, mailpit_smtp):
    for number in range(3):
        send(mailpit_smtp, mailpit_inbox.address, f"number-{number}")
    assert [each.subject for each in mailpit_inbox.wait_for_messages(3)] == ["number-0", "number-1", "number-2"]
