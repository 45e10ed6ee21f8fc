"""Prose of mailstack: word lists and ratchets for docstrings, comments, texts and documents."""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mailstack
from tests.test_layers import MODULES, ROOMS, room_of, trees

ROOT = Path(mailstack.__file__).parent
DOCUMENTS = Path(__file__).parent.parent

PERSONS = re.compile(
    r"\b(who|whom|whoever|whomever|whose|nobody|somebody|anybody|everybody|someone|anyone|everyone|he|him|his|himself)\b",
    re.IGNORECASE,
)
"""Words for people, which programs, hosts, processes, messages and coroutines are not."""

FUNCTION_WORDS = frozenset(
    [
        "above",
        "after",
        "and",
        "as",
        "at",
        "away",
        "because",
        "before",
        "behind",
        "below",
        "beside",
        "between",
        "but",
        "by",
        "down",
        "either",
        "else",
        "even",
        "for",
        "from",
        "if",
        "in",
        "into",
        "it",
        "its",
        "itself",
        "just",
        "like",
        "more",
        "most",
        "neither",
        "nor",
        "not",
        "nothing",
        "of",
        "off",
        "on",
        "once",
        "or",
        "other",
        "others",
        "out",
        "over",
        "rather",
        "since",
        "so",
        "some",
        "still",
        "such",
        "than",
        "that",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "though",
        "till",
        "to",
        "too",
        "under",
        "until",
        "up",
        "upon",
        "we",
        "what",
        "whatever",
        "when",
        "whenever",
        "where",
        "wherever",
        "which",
        "while",
        "with",
        "within",
        "without",
        "yes",
        "yet",
        "you",
    ]
)
"""Words that a complete sentence about an attribute does not begin with."""

OPENERS = FUNCTION_WORDS | {"a", "an", "the", "all", "any", "each", "every", "how", "one", "whether", "who", "whose"}
"""Words that a module's first line does not begin with: it begins with its term or its verb."""

CLAUSE = re.compile(
    r"(?:, | )(?:that|which|who|whom|whose|what|so that|because|when|where|while|whether|until|if)\b", re.IGNORECASE
)

SHARED_NAMES: frozenset[str] = frozenset(
    [
        "Authenticator",  # smtpdfix's public API
        "Config",  # smtpdfix's public API
        "Envelope",  # aiosmtpd's public API
        "Journey",  # mailstack.testing's public API
        "Letter",  # mailstack.testing's public API
        "NoSuchLetter",  # mailstack.testing's public API
    ]
)
"""Class names that stand in more than one module, each with its reason beside it."""

ALLOWED: dict[str, dict[str, int]] = {
    "first lines": {},
    "classes": {"": 4},
}
"""Offences that are still there, by rule and room. The numbers only get smaller."""


def first_lines() -> Iterator[tuple[str, str]]:
    for module, tree in trees().items():
        yield module, (ast.get_docstring(tree) or "").split("\n")[0]


def attribute_docstrings(tree: ast.Module) -> Iterator[str]:
    """First lines of the strings that stand below an assignment."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for before, after in itertools.pairwise(body):
            value = getattr(after, "value", None)
            if (
                isinstance(before, ast.Assign | ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(value, ast.Constant)
            ):
                yield str(value.value).strip().split("\n")[0]


@cache
def comments_and_strings() -> dict[str, list[str]]:
    """Comments and strings of each module, docstrings included."""
    found: dict[str, list[str]] = {}
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for module, path in MODULES.items():
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        found[module] = [token.string for token in tokens if token.type in kinds]
    return found


def is_good_first_line(line: str) -> bool:
    words = line.split()
    opener = re.split(r"\W", words[0].lower())[0] if words else ""
    return bool(words) and len(words) <= 14 and opener not in OPENERS and not CLAUSE.search(line)


def bad_first_lines() -> Iterator[tuple[str, str]]:
    for module, line in first_lines():
        if not is_good_first_line(line):
            yield module, line


def persons() -> Iterator[tuple[str, str]]:
    for module, texts in comments_and_strings().items():
        for text in texts:
            for word in PERSONS.findall(text):
                yield module, f"{word}: {' '.join(text.split())[:120]}"


def incomplete_attributes() -> Iterator[tuple[str, str]]:
    for module, tree in trees().items():
        for line in attribute_docstrings(tree):
            if re.split(r"\W", line.lower())[0] in FUNCTION_WORDS:
                yield module, line


RULES = {"first lines": bad_first_lines, "persons": persons, "attributes": incomplete_attributes}


@cache
def offences_by_room(rule: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {room: [] for room in ("", *ROOMS)}
    for module, text in RULES[rule]():
        found[room_of(module)].append(f"{module}: {text}")
    return found


def documents() -> list[Path]:
    return [
        *sorted(DOCUMENTS.glob("*.md")),
        *sorted((DOCUMENTS / "docs").rglob("*.md")),
        DOCUMENTS / "etc" / "mailstack.toml",
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("room", ["", *ROOMS])
def test_prose_of_a_room(rule: str, room: str) -> None:
    found = offences_by_room(rule)[room]
    allowed = ALLOWED.get(rule, {}).get(room, 0)
    if len(found) > allowed:
        pytest.fail(
            f"{len(found)} of {rule} in {room or 'mailstack'}, {allowed} allowed:\n" + "\n".join(found), pytrace=False
        )


def test_files_named_in_package_docstrings_exist() -> None:
    found = []
    for package, path in MODULES.items():
        _, _, files = (ast.get_docstring(trees()[package]) or "").partition("\nFiles")
        files = re.split(r"\n\n(?!\*)", files)[0]
        if path.name == "__init__.py":
            found += [
                f"{package}: {name}" for name in re.findall(r"`([a-z_]+)`", files) if f"{package}.{name}" not in MODULES
            ]
    assert found == []


def test_documents_use_nouns_for_programs() -> None:
    found = []
    for file in documents():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{file.relative_to(DOCUMENTS)}:{number}: {word}" for word in PERSONS.findall(line)]
    allowed = ALLOWED.get("persons", {}).get("docs", 0)
    if len(found) > allowed:
        pytest.fail(f"{len(found)} found, {allowed} allowed:\n" + "\n".join(found), pytrace=False)


def test_class_names_are_unique() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for module, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(module)
    twice = {name: homes for name, homes in found.items() if len(homes) > 1}
    extra = {name: homes for name, homes in twice.items() if name not in SHARED_NAMES}
    allowed = ALLOWED.get("classes", {}).get("", 0)
    if len(extra) > allowed:
        pytest.fail(
            f"{len(extra)} found, {allowed} allowed:\n"
            + "\n".join(f"{name}: {', '.join(homes)}" for name, homes in sorted(extra.items())),
            pytrace=False,
        )
    assert set(twice) >= SHARED_NAMES, "a name stands in one module only now: take it out of SHARED_NAMES"


def test_the_rules_are_read_as_meant() -> None:
    assert is_good_first_line("Connection pool for outbound SMTP.")
    assert is_good_first_line("Parses MTA-STS policies (RFC 8461 §3).")
    assert not is_good_first_line("What a program that serves for long does with the memory of its start.")
    assert not is_good_first_line("Lines: what a destination has no room for waits in the store.")
    assert PERSONS.findall("Nobody sends here who did not say who he is") == ["Nobody", "who", "who", "he"]
    assert not PERSONS.search("The host is there")
    tree = ast.parse('class A:\n    x: int\n    """Of one line."""\n    y: int\n    """Maximum octets of a line."""\n')
    assert Counter(line.split()[0] for line in attribute_docstrings(tree)) == {"Of": 1, "Maximum": 1}
