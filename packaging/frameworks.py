"""Runs the settings of docs/howto/your-framework.md: each block sends a message to a local mail environment.

    python packaging/frameworks.py BIN [NAME]...

BIN is the folder of the command mailstack. The interpreter needs Django, Flask-Mail and fastapi-mail; the rest is
Debian's: golang-go, node-nodemailer, php-cli, libphp-phpmailer, php-symfony-mailer, ruby-actionmailer.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parent.parent / "docs/howto/your-framework.md"
PORTS = {"1025": "capture", "1587": "submission", "1465": "submissions"}
FROM, TO = "alice@home.test", "bob@example.org"

DJANGO = """
from django.conf import settings
@BLOCK@
settings.configure(**{name: value for name, value in list(globals().items()) if name.startswith(("EMAIL_", "MAILERS"))})
from django.core.mail import send_mail
send_mail("@SUBJECT@", "Hello", "@FROM@", ["@TO@"])
"""

PROGRAMS = {
    "Django": ("send.py", DJANGO),
    "Django before 6.1": ("send.py", DJANGO),
    "Flask": (
        "send.py",
        """
from flask import Flask
from flask_mail import Mail, Message
app = Flask("shop")
@BLOCK@
with app.app_context():
    Mail(app).send(Message("@SUBJECT@", ["@TO@"], "Hello", sender="@FROM@"))
""",
    ),
    "FastAPI": (
        "send.py",
        """
import asyncio
from fastapi_mail import ConnectionConfig, FastMail, MessageSchema
@BLOCK@
message = MessageSchema(subject="@SUBJECT@", recipients=["@TO@"], body="Hello", subtype="plain")
asyncio.run(FastMail(settings).send_message(message))
""",
    ),
    "Rails": (
        "send.rb",
        """
require "action_mailer"
config = Struct.new(:action_mailer).new(ActionMailer::Base)
@BLOCK@
class Shop < ActionMailer::Base
  def hello = mail(from: "@FROM@", to: "@TO@", subject: "@SUBJECT@", body: "Hello", content_type: "text/plain")
end
Shop.hello.deliver_now
""",
    ),
    "Nodemailer": (
        "send.js",
        """
const nodemailer = require('nodemailer');
@BLOCK@
transport.sendMail({from: '@FROM@', to: '@TO@', subject: '@SUBJECT@', text: 'Hello'}).then(() => transport.close());
""",
    ),
    "Symfony": (
        "send.php",
        """<?php
require 'Symfony/Component/Mailer/autoload.php';
foreach (parse_ini_string("@BLOCK@") as $name => $value) { putenv("$name=$value"); }
$email = (new Symfony\\Component\\Mime\\Email())->from('@FROM@')->to('@TO@')->subject('@SUBJECT@')->text('Hello');
(new Symfony\\Component\\Mailer\\Mailer(Symfony\\Component\\Mailer\\Transport::fromDsn(getenv('MAILER_DSN'))))->send($email);
""",
    ),
    "Go": (
        "send.go",
        """package main

import (
	"net/smtp"
	"os"
)

@BLOCK@

func main() {
	message := []byte("From: @FROM@\\r\\nTo: @TO@\\r\\nSubject: @SUBJECT@\\r\\n\\r\\nHello\\r\\n")
	if err := send("@FROM@", "@TO@", message); err != nil {
		os.Stderr.WriteString(err.Error() + "\\n")
		os.Exit(1)
	}
}
""",
    ),
    "PHP mail()": (
        "php.ini",
        "@BLOCK@",
    ),
    "WordPress": (
        "send.php",
        """<?php
require 'libphp-phpmailer/autoload.php';
function add_action($name, $function) { global $actions; $actions[$name] = $function; }
@BLOCK@
$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$actions['phpmailer_init']($mail);
$mail->setFrom('@FROM@');
$mail->addAddress('@TO@');
$mail->Subject = '@SUBJECT@';
$mail->Body = 'Hello';
$mail->send();
""",
    ),
}
"""File and text of a program that sends one message with a block, by framework."""

MAIL = 'mail("@TO@", "@SUBJECT@", "Hello", "From: @FROM@") || exit(1);'
COMMANDS = {
    ".py": [sys.executable],
    ".rb": ["ruby"],
    ".js": ["node"],
    ".php": ["php", "-d", "include_path=/usr/share/php"],
    ".go": ["go", "run"],
    ".ini": ["php", "-r", MAIL, "-c"],
}


def blocks() -> dict[str, list[str]]:
    """Blocks of the document by heading."""
    sections = re.split(r"^## (.*)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    pairs = zip(sections[1::2], sections[2::2], strict=True)
    return {name: re.findall(r"^```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for name, text in pairs}


def send(name: str, block: str, subject: str, *, facts: dict[str, Any], folder: Path, commands: str) -> None:
    """Sends a message with one block, which trusts the CA only if it logs in. Raises CalledProcessError."""
    trust = {"SSL_CERT_FILE": facts["ca_file"], "NODE_EXTRA_CA_CERTS": facts["ca_file"]} if "1587" in block else {}
    for port, service in PORTS.items():
        block = block.replace(port, str(facts["services"][service]["port"]))
    file, program = PROGRAMS[name]
    values = {"@BLOCK@": block, "@SUBJECT@": subject, "@FROM@": FROM, "@TO@": TO}
    path = folder / file
    command = [*COMMANDS[path.suffix], str(path)]
    for key, value in values.items():
        program = program.replace(key, value)
        command = [word.replace(key, value) for word in command]
    path.write_text(program)
    environ = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "MAILSTACK_DATA": facts["data"],
        **trust,
        "NODE_PATH": "/usr/share/nodejs",
        "GOCACHE": str(folder / "go"),
        "GOTOOLCHAIN": "local",
    }
    subprocess.run(command, cwd=folder, env=environ, check=True, timeout=300)


def has_mailers() -> bool:
    """Whether Django has the setting MAILERS."""
    return tuple(map(int, version("django").split(".")[:2])) >= (6, 1)


def has_arrived(web: str, subject: str) -> bool:
    """Whether a message with this subject arrives within 20 s."""
    with urllib.request.urlopen(f"{web}v1/wait?subject={subject}&timeout=20", timeout=30) as response:
        return subject in response.read().decode()


def main(commands: str, *chosen: str) -> None:
    """Sends with every block, and prints how long each program took."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        environment = subprocess.Popen(
            [f"{commands}/mailstack", "dev", "--port-base", "0", "--json", "--quiet"],
            stdout=subprocess.PIPE,
            env={**os.environ, "HOME": home},
            cwd=home,
        )
        try:
            assert environment.stdout is not None
            facts = json.loads(environment.stdout.readline())
            for name in chosen or PROGRAMS:
                if name == "Django" and not has_mailers():
                    print("Django: not tried, because the setting MAILERS needs Django 6.1 and Python 3.12", flush=True)
                    continue
                for number, block in enumerate(blocks()[name], 1):
                    subject = f"Subject-{re.sub(r'[^A-Za-z]', '', name)}-{number}"
                    begun = time.monotonic()
                    send(name, block, subject, facts=facts, folder=folder, commands=commands)
                    if not has_arrived(facts["web"], subject):
                        raise SystemExit(f"{name}, block {number}: the message did not arrive")
                    print(f"{name}, block {number}: {time.monotonic() - begun:.1f} s", flush=True)
        finally:
            environment.send_signal(signal.SIGINT)
            environment.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:])
