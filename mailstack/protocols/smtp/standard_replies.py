"""Standard replies of a server (RFC 5321 §4.2.3, RFC 3463)."""

from __future__ import annotations

from mailstack.letter import Letter, Status
from mailstack.protocols.smtp.replies import Reply, reply

TAKEN = Status(2, 0, 0)
OK = Reply(250, "OK", TAKEN)
SENDER_OK = reply(250, "2.1.0", "sender OK")
RECIPIENT_OK = reply(250, "2.1.5", "recipient OK")
START_DATA = reply(354, None, "end data with <CR><LF>.<CR><LF>")
GOODBYE = reply(221, "2.0.0", "goodbye", closes=True)
TLS_GO_AHEAD = reply(220, "2.0.0", "ready to start TLS")
NO_TLS = reply(454, "4.7.0", "TLS is not available here")
CANNOT_VERIFY = reply(252, "2.5.0", "cannot verify the user, but will take the letter and try to deliver it")
NO_EXPANSION = reply(502, "5.5.1", "lists are not expanded here")
TLS_FIRST = reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTHENTICATED = reply(235, "2.7.0", "authentication successful")
BAD_CREDENTIALS = reply(535, "5.7.8", "authentication credentials invalid")
AUTH_UNAVAILABLE = reply(454, "4.7.0", "temporary authentication failure, try again later")
AUTH_CANCELLED = reply(501, "5.7.0", "authentication cancelled")
AUTH_MALFORMED = reply(501, "5.5.2", "the response does not follow the mechanism's grammar")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "too many recipients; send the rest in another transaction")
CHUNK_OK = reply(250, "2.0.0", "chunk OK")
TOO_MANY_LETTERS = reply(452, "4.5.3", "too many letters in one session; send the rest in another one")
TOO_MANY_ERRORS = reply(421, "4.7.0", "too many errors, closing", closes=True)
TOO_MANY_GUESSES = reply(421, "4.7.0", "too many failed logins, closing", closes=True)
LOGGED_OUT = reply(421, "4.7.0", "login is no longer valid, closing connection", closes=True)
SPOKE_EARLY = reply(554, "5.5.0", "you spoke before you were greeted")
LOCAL_ERROR = reply(451, "4.3.0", "local error in processing; nothing was lost, try again later")

# Replies of the engine, which no session sees.
NO_COMMAND = reply(500, "5.5.2", "a command is needed")
UNKNOWN_COMMAND = reply(500, "5.5.2", "unknown command")
NOT_IMPLEMENTED = reply(502, "5.5.1", "command not implemented")
UNPRINTABLE = reply(500, "5.5.2", "a command is printable ASCII, ended by CRLF")
BARE_NEWLINE = reply(500, "5.5.2", "bare <CR> or <LF> received, closing", closes=True)
TOO_LONG = reply(500, "5.5.2", "the command line is too long")
AUTH_TOO_LONG = reply(500, "5.5.6", "the authentication exchange line is too long")
NO_WEB_SERVER = reply(421, "4.7.0", "this is a mail server, goodbye", closes=True)


def queued_as(letter: Letter) -> Reply:
    """What is said once a letter is ours."""
    return Reply(250, f"OK, queued as {letter.id}", TAKEN)
