"""One-time codes are found in letters of many languages, and other numbers are not taken for them."""

from __future__ import annotations

import pytest

from mailstack.letter.parsed import parse


def codes(text: str, subject: str = "") -> tuple[str, ...]:
    return parse(f"Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}".encode()).codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your verification code is 123456.", "123456"),
        ("483920 is your Example code", "483920"),
        ("G-482913 is your Google verification code.", "482913"),
        ("Your one-time password (OTP): 7741", "7741"),
        ("Enter this code to sign in:\n\n    904 112\n\nIt expires in 10 minutes.", "904112"),
        ("PIN: 0042", "0042"),
        ("Use code AB12CD to continue", "AB12CD"),
        ("Your login code: x7k2p9", "x7k2p9"),
        ("Device activation code\nWDJB-MJHT\n", "WDJB-MJHT"),
        ("Ihr Bestätigungscode lautet: 558812", "558812"),
        ("Ihre TAN: 812733", "812733"),
        ("Votre code de vérification est 330912", "330912"),
        ("Tu código de verificación es 20451", "20451"),
        ("Il tuo codice di verifica è 771209", "771209"),
        ("Seu código: 551177", "551177"),
        ("Uw verificatiecode is 918273", "918273"),
        ("Din kod är 440198", "440198"),
        ("Twój kod weryfikacyjny: 118822", "118822"),
        ("Ваш код подтверждения: 662211", "662211"),
        ("Doğrulama kodu: 909182", "909182"),
        ("您的验证码是 472913\uff0c请勿泄露", "472913"),
        ("認証コード\uff1a813406", "813406"),
        ("인증번호 [551902] 를 입력하세요", "551902"),
        ("رمز التحقق: 773311", "773311"),
    ],
)
def test_the_likeliest_code_comes_first(text: str, code: str) -> None:
    assert codes(text)[:1] == (code,)


@pytest.mark.parametrize(
    "text",
    [
        "Copyright 2026 Example Inc., 94107 San Francisco",
        "Your order number: 558812. Thank you!",
        "Order 10045 was shipped on 2026-11-26.",
        "Call us: +49 30 123456",
        "Total: $1234 paid",
        "Use promo code SAVE2026 at the checkout",
        "Your zip code: 94107",
        "Error code: 5501",
        "https://app.test/verify?code=123456",
        "Please verify your address alice1234@home.test",
        "Your code expires NEXT-WEEK",
        "The source code has 12345 lines.",
    ],
)
def test_other_numbers_are_no_codes(text: str) -> None:
    assert codes(text) == ()


def test_a_code_of_the_subject_comes_before_numbers_of_the_text() -> None:
    assert codes("It is good for the next 1200 seconds.", "Your code: 771122")[0] == "771122"


def test_a_code_in_html_is_found() -> None:
    html = b"Content-Type: text/html\n\n<p>Your code</p><table><tr><td><b>5</b><b>5</b><b>1234</b></td></tr></table><p>2026</p>"
    assert parse(html).codes[0] == "551234"
