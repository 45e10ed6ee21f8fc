"""The PyPI package mailpit-api-client, unchanged: WEB_URL, when one letter from alice to bob and carol is there."""

import sys

from mailpit.client.api import API

url = sys.argv[1].rstrip("/")
mailpit = API(url)
(summary,) = mailpit.get_messages().messages
assert summary.from_.address == "alice@home.test"
assert summary.created.year == 2026
message = mailpit.get_message(summary.id)
assert (message.subject, message.text.strip()) == ("Grüße", "Hällo")
assert [one.address for one in message.to] == ["bob@home.test", "carol@elsewhere.test"]
assert message.date.utcoffset().total_seconds() == 3600
mailpit.put_messages([message.id], "Read", value=True)

mailpit.delete_messages([message.id])
assert mailpit.get_messages().total == 0
