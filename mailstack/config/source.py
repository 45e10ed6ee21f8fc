"""Sources of settings: a TOML file, environment variables, and files of keys."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from mailstack.config.errors import ConfigError, KeyPath, Problem, closest, key_lines, line_of
from mailstack.config.model import Config
from mailstack.net.certificate_checks import WarningThresholds
from mailstack.net.certificates import CertificateFiles
from mailstack.policy.authentication.keys import load_private
from mailstack.policy.authentication.signing import SigningKey

PREFIX = "MAILSTACK_"

_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column [0-9]+|end of document)\)\Z", re.DOTALL)


class Source(Struct, frozen=True):
    """Settings as given, with the origin of each."""

    file: str
    """Path of the file, as given by the user; empty without a file."""
    given: dict[str, Any]
    lines: dict[KeyPath, int]
    variables: dict[KeyPath, str]
    """Environment variable of each setting from the environment. Its value is text, whatever its type."""

    def problem(self, path: KeyPath, trouble: str, cure: str = "", item: str = "") -> Problem:
        """A Problem at the place of `path`; `item` says which part of its value is meant."""
        key = ".".join(name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"' for name in path) + item
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return Problem(self.variables[path[:length]], None, key, trouble, cure)
        if path not in self.lines:
            # A table that no file has was made by the variables of what is in it.
            for inner, name in self.variables.items():
                if inner[: len(path)] == path:
                    return Problem(name, None, key, trouble, cure)
        return Problem(self.file, line_of(self.lines, path), key, trouble, cure)


def read_source(path: Path | None, environ: Mapping[str, str], tables: frozenset[str], keys: frozenset[str]) -> Source:
    """Read the file, if any, and the variables. `tables` and `keys` are the known names at the top.

    Raises ConfigError when the file cannot be read or is not TOML.
    """
    text = "" if path is None else _read(path)
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    source = Source("" if path is None else str(path), given, key_lines(text), {})
    for name in sorted(environ):
        keypath = tuple(name[len(PREFIX) :].lower().split("__"))
        if name.startswith(PREFIX) and _is_ours(keypath, tables, keys):
            _lay_over(given, keypath, environ[name])
            source.variables[keypath] = name
    return source


def _is_ours(path: KeyPath, tables: frozenset[str], keys: frozenset[str]) -> bool:
    """Returns whether a variable is a setting, perhaps a mistyped one.

    Container platforms set similar names for the ports of a service "mailstack". So a name without a table counts only
    if it equals or resembles a setting.
    """
    return closest(path[0], tables if len(path) > 1 else keys | tables, 0.8) is not None


def _lay_over(given: dict[str, Any], path: KeyPath, value: str) -> None:
    """Put a value into nested tables. What is in the way there is a mistake of the file and will be found there."""
    for name in path[:-1]:
        given = given.setdefault(name, {})
        if not isinstance(given, dict):
            return
    given[path[-1]] = value


def _read(path: Path) -> str:
    try:
        octets = path.read_bytes()
    except OSError as error:
        trouble, cure = f"cannot be read: {error.strerror}", "-c FILE names the configuration"
        raise ConfigError([Problem(str(path), None, "", trouble, cure)]) from None
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "", "is not UTF-8", "save the file in that encoding")]) from None


def _syntax_problem(path: Path | None, text: str, error: Exception) -> Problem:
    """Error of `tomllib` and its line."""
    found = _PLACE.fullmatch(str(error))
    trouble, line = (found.group(1), found.group(2)) if found else (str(error), None)
    number = int(line) if line else text.count("\n") + 1
    cure = 'a text stands in quotes, as in name = "value"' if trouble == "Invalid value" else ""
    return Problem(str(path), number, "", f"is not TOML: {trouble}", cure)


def made_here(config: Config) -> bool:
    """Whether the first certificate comes from the private CA."""
    return config.tls.certificate is None


def own_directory(config: Config) -> Path:
    """Directory of the private CA."""
    return config.data / "tls"


def identities(config: Config) -> list[CertificateFiles]:
    """Certificates for clients; the first is for clients that name no host."""
    tls, ours = config.tls, own_directory(config)
    others = [(each.certificate, each.key) for each in tls.certificates]
    pairs = [(tls.certificate or ours / "cert.pem", tls.key or ours / "key.pem"), *others]
    return [CertificateFiles(file, key) for file, key in pairs if file is not None and key is not None]


def patience(config: Config) -> WarningThresholds:
    """Remaining lifetimes at which an expiring certificate is logged."""
    return WarningThresholds(config.tls.warn_before, config.tls.urgent_before)


def signing_keys(config: Config) -> tuple[SigningKey, ...]:
    """DKIM keys, read from their files. Raises InvalidKey."""
    return tuple(
        [
            SigningKey(each.selector, load_private(each.file), each.domains or config.domains)
            for each in config.dkim.keys
            if each.file is not None
        ]
    )
