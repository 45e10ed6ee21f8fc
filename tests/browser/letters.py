"""Letters for tests of the pages: usual, long and hostile ones."""

from __future__ import annotations

import struct
import zlib
from email.message import EmailMessage
from email.policy import SMTP

FAR = "https://elsewhere.example"
"""Where no request may ever go."""


def letter(subject: str = "Hello", text: str = "Hello Bob\n", **fields: str) -> EmailMessage:
    """A plain one, from the app to bob."""
    made = EmailMessage()
    given = {"From": "App <app@example.test>", "To": "bob@home.test"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }
    for name, value in {**given, "Subject": subject}.items():
        made[name] = value
    made.set_content(text)
    return made


def picture(width: int = 160, height: int = 100) -> bytes:
    """A PNG with a gradient."""
    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, 160))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


ORDER = """<!doctype html><html><body style="margin:0;background:#f1f0ec;font-family:Georgia,serif">
<table width="100%"><tr><td align="center"><table width="560" style="background:#fff;margin:24px;max-width:100%">
<tr><td style="padding:28px 32px"><img src="cid:logo" width="120" height="40" alt="The shop"><h1 style="font-size:24px">Your parcel is on its way</h1>
<p>Hello Bob, your order 4711 left our warehouse this morning. Your code to pick it up is <b>482913</b>.</p>
<p><a href="https://shop.example/track?order=4711" style="background:#8a3b12;color:#fff;padding:10px 18px;text-decoration:none">Track your parcel</a></p>
<img src="https://elsewhere.example/pixel.gif" width="1" height="1" alt=""><p>Thank you,<br>the shop</p></td></tr></table></td></tr></table></body></html>"""


def order() -> EmailMessage:
    """A letter as shops send them: HTML with a picture, a pixel from elsewhere, a code, a link, and attachments."""
    made = letter(
        "Your order 4711 has been shipped",
        "Hello Bob,\n\nyour order 4711 is on its way. Your code is 482913.\nhttps://shop.example/track?order=4711\n",
        From="The Shop <orders@shop.example>",
    )
    made.add_alternative(ORDER, subtype="html")
    html = made.get_payload()[1]  # type: ignore[index]
    html.add_related(picture(120, 40), "image", "png", cid="<logo>")  # type: ignore[union-attr]
    made.add_attachment(picture(), "image", "png", filename="parcel.png")
    made.add_attachment(b"order;4711\nparcels;1\n", "text", "csv", filename="order.csv")
    made.add_attachment(b"%PDF-1.4\n", "application", "pdf", filename="invoice 2026-11.pdf")
    return made


SCRIPT = "<script>window.harmed=1;parent.harmed=1;top.harmed=1</script>"
BROKEN = '"><img src=x onerror="window.harmed=1;top.harmed=1">'

HARM = f"""<!doctype html><html><head>{SCRIPT}
<meta http-equiv="refresh" content="0; url={FAR}/refresh"><base href="{FAR}/"><link rel="stylesheet" href="{FAR}/style.css">
<style>@import url({FAR}/import.css); body {{ background: url({FAR}/background.png) }} @font-face {{ font-family: x; src: url({FAR}/font.woff2) }} p {{ font-family: x }}</style>
</head><body onload="window.harmed=1;top.harmed=1" background="{FAR}/body.png">{SCRIPT}{BROKEN}
<svg xmlns="http://www.w3.org/2000/svg" onload="top.harmed=1"><script>top.harmed=1</script><image href="{FAR}/svg.png"/><a xlink:href="javascript:top.harmed=1"><text>x</text></a></svg>
<iframe src="{FAR}/frame"></iframe><iframe srcdoc="<script>top.harmed=1</script>"></iframe><object data="{FAR}/object"></object><embed src="{FAR}/embed">
<form action="{FAR}/form"><input name="a"><button id="send">Send</button></form>
<video src="{FAR}/video" autoplay poster="{FAR}/poster.png"></video><audio src="{FAR}/audio" autoplay></audio>
<a id="wicked" href="javascript:top.harmed=1">press</a> <a href="data:text/html,{SCRIPT}">data</a>
<img srcset="{FAR}/set.png 2x" src="{FAR}/src.png"><input type="image" src="{FAR}/input.png"><p style="background-image:url('{FAR}/inline.png')">text</p>
<math><mtext><table><mglyph><style><img src=x onerror="top.harmed=1"></style></mglyph></table></mtext></math></body></html>"""


def harm() -> tuple[bytes, tuple[str, ...]]:
    """A letter that tries to run a script by every field that is shown, and who gets it."""
    made = letter(
        f"{SCRIPT}{BROKEN}",
        f"{SCRIPT} javascript:top.harmed=1 {BROKEN}",
        From=f'"{BROKEN.replace(chr(34), chr(39))}" <app@example.test>',
        Cc='"<script>top.harmed=1</script>" <c@example.test>',
        Reply_To="<svg/onload=top.harmed=1>@example.test".replace("<", "").replace(">", ""),
        X_Harm=f"{SCRIPT}{BROKEN}",
        List_Unsubscribe="<javascript:top.harmed=1>",
    )
    made.add_alternative(HARM, subtype="html")
    made.add_attachment(
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="top.harmed=1"><script>top.harmed=1</script></svg>',
        "image",
        "svg+xml",
        filename='<img src=x onerror="top.harmed=1">.svg',
    )
    made.add_attachment(SCRIPT.encode(), "text", "html", filename=f"{SCRIPT}.html".replace("/", "_"))
    return made.as_bytes(policy=SMTP), ("bob@home.test", '"<img/src=x/onerror=top.harmed=1>"@elsewhere.test')
