"""Links and codes in a message: web, mailto, unsubscription (RFC 8058), logins."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from mailstack.letter.parsed import html as hypertext

# Colons are rare, so the search for them is fast. The empty groups distinguish the schemes.
_COLON = re.compile(
    r":(?:(?<=http:)(?<![\w.+-]http:)//()|(?<=https:)(?<![\w.+-]https:)//()|(?<=mailto:)(?<![\w.+-]mailto:)())",
    re.IGNORECASE,
)
_SCHEMES = ("http", "https", "mailto")
_IN_TEXT = re.compile(r"https?://[^\s<>\"'`{}|\\^]{1,4000}|mailto:[^\s<>\"'`{}|\\^]{3,1000}", re.IGNORECASE)
_AT_ONCE = 65_536
"""Characters searched per match; a match blocks other threads."""
_FOLLOWED = re.compile(r"(?:https?://[^/?#\s]|mailto:\S)", re.IGNORECASE)
_MAX_URL = 8000
_ENDING = ".,;:!?*_~"
_MAX_RUNS = 50
"""Maximum runs of closing brackets that are removed from the end of an address."""
_CLOSING = {")": "(", "]": "["}


class Link(Struct, frozen=True):
    """One link of a letter."""

    url: str
    kind: str
    """Kind: "href" (a hyperlink), "src" (loaded for display), or "text" (written in the text)."""


def links_of(text: str, html: str, max_links: int, *, max_addresses: int = 10_000) -> tuple[Link, ...]:
    """Distinct links of the HTML, then of the text, within limits of links and of examined addresses."""
    links: dict[str, Link] = {}
    for kind, url in islice(_all(text, html), max_addresses):
        if len(url) <= _MAX_URL and url not in links and _FOLLOWED.match(url):
            links[url] = Link(url, kind)
            if len(links) >= max_links:
                break
    return tuple(links.values())


def _all(text: str, html: str) -> Iterator[tuple[str, str]]:
    yield from hypertext.addresses(html)
    for url in _written(text):
        yield "text", _without_end(url)


def _written(text: str) -> Iterator[str]:
    """Addresses in a text; "" for an incomplete one."""
    at = end = 0
    while at < len(text):
        colon = _COLON.search(text, at, at + _AT_ONCE + len("//"))
        if colon is None:
            at += _AT_ONCE
            continue
        start = colon.start() - len(_SCHEMES[(colon.lastindex or 1) - 1])
        at = colon.end()
        if start >= end:  # else the scheme begins within the last address
            match = _IN_TEXT.match(text, start)
            yield match[0] if match else ""
            at = end = match.end() if match else at


def _without_end(url: str) -> str:
    """The URL without final punctuation and unmatched closing brackets."""
    # Unmatched brackets are counted once, because there may be thousands.
    unmatched = {closing: url.count(closing) - url.count(opening) for closing, opening in _CLOSING.items()}
    for _ in range(_MAX_RUNS):
        url = url.rstrip(_ENDING)
        closing = url[-1:]
        count = min(len(url) - len(url.rstrip(closing)), unmatched[closing]) if closing in _CLOSING else 0
        if count <= 0:
            break
        unmatched[closing] -= count
        url = url[:-count]
    return url


_TARGET = re.compile(r"<([^<>]*+)>")
_COMMENT = re.compile(r"\([^()]*+\)")
_ONE_CLICK = "list-unsubscribe=one-click"


class Unsubscribe(Struct, frozen=True):
    """Parsed List-Unsubscribe fields, with their faults."""

    field: str
    links: tuple[str, ...]
    post: str
    """Text of List-Unsubscribe-Post; "" without it."""
    one_click: bool
    """Whether one POST to the first https link suffices (RFC 8058 §3.1)."""
    faults: tuple[str, ...]


def unsubscribe(field: str, post: str) -> Unsubscribe:
    """Parse the text of both fields."""
    links = tuple(["".join(each.split()) for each in _TARGET.findall(field)][:100])
    faults: list[str] = []
    if not links:
        faults.append("List-Unsubscribe has no address in angle brackets")
    elif _COMMENT.sub("", _TARGET.sub("", field)).replace(",", "").strip():
        faults.append("List-Unsubscribe has text other than addresses in angle brackets and commas")
    schemes = [each.partition(":")[0].lower() for each in links]
    for link, scheme in zip(links, schemes, strict=True):
        if scheme not in {"http", "https", "mailto"}:
            faults.append(f"List-Unsubscribe: {link[:200]!r} is neither http, https nor mailto")
    faults += [
        f"List-Unsubscribe has more than one {scheme} address: clients use the first"
        for scheme in ("http", "https", "mailto")
        if schemes.count(scheme) > 1
    ]
    post_text = "".join(post.split()).lower()
    if post_text and post_text != _ONE_CLICK:
        faults.append("List-Unsubscribe-Post is not List-Unsubscribe=One-Click")
    if post_text and "https" not in schemes:
        faults.append("List-Unsubscribe-Post needs an https address in List-Unsubscribe")
    return Unsubscribe(field, links, post, post_text == _ONE_CLICK and "https" in schemes, tuple(faults))


_WORDS = (
    # English, and international terms
    "one[- ]?time", "verification", "verify", "passcode", "pass code", "access code", "security code", "login code",
    "sign[- ]?in", "log[- ]?in code", "confirmation code", "activation", "authenticat", "2fa", "mfa", "otp", "pin", "code", "codes",
    # German, Dutch, the North
    "bestätigungscode", "sicherheitscode", "verifizierungscode", "einmal", "zugangscode", "anmeldecode", "tan", "kode", "koden",
    "verificatiecode", "beveiligingscode", "inlogcode", "kod", "koden", "engångskod", "verifieringskod", "bekræftelseskode",
    "bekreftelseskode", "koodi", "vahvistuskoodi",
    # Latin
    "código", "codigo", "clave", "verificación", "verificação", "codice", "verifica", "vérification", "cod", "codul",
    # Slavic, Greek, Turkish, Hungarian, Vietnamese, Indonesian
    "kód", "kodu", "ověřovací", "weryfikacyjny", "код", "кода", "пароль", "підтвердження", "подтверждения", "κωδικός", "doğrulama", "şifre",
    "ellenőrző", "mã", "verifikasi",
    # Semitic and Indic
    "رمز", "كود", "קוד", "सत्यापन", "कोड", "ओटीपी",
)  # fmt: skip
_WITHOUT_SPACES = ("验证码", "驗證碼", "校验码", "动态码", "認証コード", "確認コード", "認証番号", "暗証番号", "コード", "인증번호", "인증 번호", "인증코드", "인증 코드", "확인 코드", "รหัส")  # fmt: skip
_NAMED = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(set(_WORDS), key=len, reverse=True))})(?!\w)|{'|'.join(_WITHOUT_SPACES)}",
    re.IGNORECASE,
)
_OTHER_CODES = re.compile(
    r"(?<!\w)(?:zip|postal|post|promo\w*|coupon|discount|voucher|gift|error|status|country|area|dress|source|bar|qr|product|referral"
    r"|order|invoice|tracking|reference|customer|ticket|account|sort|swift|iban|bank|exit|response|http|colou?r|unicode|morse)"
    r"(?:[ -](?:number|no\.?))?[ -]*codes?(?!\w)"
    r"|(?<!\w)(?:order|invoice|ticket|tracking|reference|customer|account|bestellung|rechnung|commande|pedido)(?: number| no\.?|nummer|snummer)?\s*[:#]",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|mailto:|www\.)\S{1,2000}|\S{1,64}@\S{1,255}", re.IGNORECASE)
_CANDIDATE = re.compile(
    r"(?<![\w.,/@#&=+:%$€£¥₹*-])(?<![$€£¥₹] )(?:[A-Z]{1,3}-(?=\d{4,8}(?!\w)))?"
    r"(?:\d{3}[  -]\d{3}|\d{2}[  ]\d{2}[  ]\d{2}|\d{4,8}|(?=[A-Z0-9]{0,7}\d)(?=[A-Z0-9]{0,7}[A-Z])[A-Z0-9]{4,8}|[A-Z0-9]{4}-[A-Z0-9]{4})"
    r"(?![\w@#&=%/]|[.,:-]\w|[  -]\d| ?[$€£¥₹%]| ?(?:usd|eur|gbp|kg|km|px|mb|gb)\b)"
)
_STATED = re.compile(
    r"(?:(?<!\w)(?:is|ist|est|es|é|è|är|er)|[:\uff1a=]|は|是|为|為|은|는)\s*[\"'“„«(]?\s*$", re.IGNORECASE
)
_STATED_ANY = re.compile(
    r"(?:codes?|pin|otp|passcode|kode?|código|codice)(?: (?:is|ist|est|es|é|è))?\s*[:\uff1a]\s*([A-Za-z0-9]{4,8})(?![\w@.-]\w|\w)",
    re.IGNORECASE,
)
_BEFORE, _BEHIND = 120, 60
"""Maximum characters between the word and a code after it, or before it."""
_MIN_SCORE = 3


def codes_in(subject: str, text: str, *, max_codes: int) -> tuple[str, ...]:
    """One-time codes, the likeliest first, without blanks and hyphens in digits."""
    scores: dict[str, float] = {}
    for part, bonus in ((subject[:1000], 1.0), (text, 0.0)):
        for code, score in _scored(_masked(part)):
            scores[code] = max(scores.get(code, 0.0), score + bonus)
    likely = sorted(((score, code) for code, score in scores.items() if score >= _MIN_SCORE), key=lambda each: -each[0])
    return tuple(code for _, code in likely[:max_codes])


def _masked(text: str) -> str:
    """The text with "@" in place of links."""
    # Mostly the text has none, and the pattern is slow.
    has_links = "@" in text or ":" in text or "www." in text.lower()
    return _LINK.sub(lambda each: "@" * len(each[0]), text) if has_links else text


def _scored(text: str) -> list[tuple[str, float]]:
    candidates = list(_CANDIDATE.finditer(text))
    stated = [each for each in _STATED_ANY.finditer(text) if any(sign.isdigit() for sign in each[1])]
    # The patterns for words are slow.
    if not candidates and not stated:
        return []
    exclusions = [(each.start(), each.end()) for each in _OTHER_CODES.finditer(text)]
    spans = [(each.start(), each.end()) for each in _NAMED.finditer(text)]
    spans = [span for span in spans if not _overlaps(span, exclusions)]
    if not spans:
        return []
    starts = [start for start, _ in spans]
    ends = sorted(end for _, end in spans)
    exclusion_ends = [end for _, end in exclusions]
    codes: list[tuple[str, float]] = []
    for candidate in candidates:
        score = _score(text, candidate, starts, ends, exclusion_ends)
        if score:
            codes.append((_typed(candidate[0]), score))
    codes += [(each[1], 7.0) for each in stated if not _overlaps(each.span(), exclusions)]
    return codes


def _score(text: str, candidate: re.Match[str], starts: list[int], ends: list[int], exclusions: list[int]) -> float:
    """Likelihood of a code; 0 without a word nearby."""
    start, end = candidate.span()
    before = bisect_left(ends, start + 1) - 1
    after = bisect_left(starts, end)
    ahead = start - ends[before] if before >= 0 else _BEFORE + 1
    behind = starts[after] - end if after < len(starts) else _BEHIND + 1
    if ahead > _BEFORE and behind > _BEHIND:
        return 0.0
    excluded = bisect_left(exclusions, start + 1) - 1
    if excluded >= 0 and start - exclusions[excluded] <= min(ahead, 40):
        return 0.0
    code = candidate[0]
    score = 3.0 - min(ahead / 60, behind / 40, 2.0)
    line = text[text.rfind("\n", 0, start) + 1 : end + 40].partition("\n")[0].strip(" \t*_\"'")
    stated = ahead <= _BEFORE and _STATED.search(text[max(0, start - 12) : start]) is not None
    if code.isupper() and not any(sign.isdecimal() for sign in code) and line != code and not stated:
        return 0.0  # two words in capitals
    score += 3 * (line == code) + 2 * stated + (ahead <= 2)
    if re.match(r"\s+(?:is|ist|est|es)\s", text[end : end + 8], re.IGNORECASE):
        score += 1
    digits = _typed(code)
    if digits.isdecimal():
        score += 1 if len(digits) == 6 else 0
        score -= 2 if len(digits) == 4 and digits[:2] in {"19", "20"} else 0
    return score


def _overlaps(span: tuple[int, int], exclusions: list[tuple[int, int]]) -> bool:
    at = bisect_left(exclusions, (span[0] + 1, 0))
    return any(start < span[1] and span[0] < end for start, end in exclusions[max(0, at - 1) : at + 1])


def _typed(code: str) -> str:
    if any(sign.isalpha() for sign in code):
        return code.rpartition("-")[2] if code.rpartition("-")[2].isdecimal() else code
    return "".join(sign for sign in code if sign.isdecimal())
