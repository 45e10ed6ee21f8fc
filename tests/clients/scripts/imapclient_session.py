"""imapclient reads, flags, files and removes: python imapclient_session.py PORT CAFILE."""

import ssl
import sys

from imapclient import IMAPClient

port, ca_file = sys.argv[1:]
with IMAPClient("localhost", port=int(port), ssl_context=ssl.create_default_context(cafile=ca_file)) as client:
    client.login("bob", "bob")
    assert client.find_special_folder(b"\\Sent") == "Sent"
    client.create_folder("Küche/Rezepte")
    message = "Subject: Grüße\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHällo\r\n".encode()
    client.append("Küche/Rezepte", message, [b"\\Draft"])
    selected = client.select_folder("Küche/Rezepte")
    assert selected[b"EXISTS"] == 1
    assert client.search(["TEXT", "hällo"], "UTF-8") == client.search("ALL")
    (uid,) = client.search("ALL")
    assert client.fetch(uid, ["BODY[]"])[uid][b"BODY[]"] == message
    client.add_flags(uid, [b"\\Flagged", "todo"])
    assert b"todo" in client.get_flags([uid])[uid]
    client.copy([uid], "Archive")
    client.delete_messages([uid])
    client.expunge([uid])
    assert client.search("ALL") == []
    client.unselect_folder()
    client.delete_folder("Küche/Rezepte")
    assert client.folder_status("Archive", ["MESSAGES", "UNSEEN"])[b"MESSAGES"] >= 1
    client.select_folder("INBOX")
    client.idle()
    client.idle_done()
