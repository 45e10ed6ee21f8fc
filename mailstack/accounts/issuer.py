"""Token issuer for dev environments and tests, of valid and invalid tokens."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from mailstack.accounts.tokens import TokenRules

DEV_RULES = TokenRules("https://issuer.home.test", "mailstack", ("mail",), domain="home.test")
"""Rules of the tokens of a dev environment."""

KEY_ID = "dev"


class Issuer:
    """Signs with a key of its own, which is made in `directory` when it is first needed."""

    def __init__(self, directory: Path, rules: TokenRules = DEV_RULES) -> None:
        self._directory = directory
        self._rules = rules

    def token(self, address: str, now: float, *, lasting: float = 3600.0, **claims: Any) -> str:
        """A token for an account, from `now` for `lasting` seconds; `claims` add others or change these. Raises OSError."""
        import jwt  # noqa: PLC0415

        rules = self._rules
        said = {
            "iss": rules.issuer,
            "aud": rules.audience,
            "scope": " ".join(rules.scopes),
            rules.claim: address,
            "iat": int(now),
            "exp": int(now + lasting),
            **claims,
        }
        return jwt.encode(said, self._key(), algorithm="EdDSA", headers={"kid": KEY_ID})

    async def keys(self) -> bytes:
        """The JWKS document (RFC 7517 §5). Raises OSError."""
        from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415

        public = OKPAlgorithm.to_jwk(self._key().public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "EdDSA"}]}).encode()

    def _key(self) -> Any:
        from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        path = self._directory / "key.pem"
        if not path.exists():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Ed25519PrivateKey.generate().private_bytes(
                forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
            )
            new = self._directory / f"key.{os.getpid()}.new"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(made)
            # The server and a command may both be first: one key wins.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
            new.unlink()
        return forms.load_pem_private_key(path.read_bytes(), None)
