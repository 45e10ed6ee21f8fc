"""Line of every key in any TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailstack.config.source import KeyPath, key_lines, line_of

TEXT = """\
# hostname = "not this one"
hostname = "mx.home.test"   # nor = "this"
"quoted key" = 1
'literal "key"' = 2
dotted . "in ner".key = 3

[listen]
mx = [
    "tcp:25", # comment with ] and [ and "
    "tcp6:25",
]
inline = { a = 1, b = [2, { c = 3 }] }
text = \"\"\"
port = 5
[not.a.table]
\\\"\"\" still text \"\"\"\"\"
after = '''
[nor.this]
'''
  [ relay . "routes" ]  # spaced
"elsewhere.test" = "127.0.0.1:2525"
[[array]]
x = 1
[[array]]
x = 2
last = 2026-11-23T21:00:00Z"""


def test_every_kind_of_key_is_found_on_its_line() -> None:
    tomllib.loads(TEXT)
    assert key_lines(TEXT) == {
        ("hostname",): 2,
        ("quoted key",): 3,
        ('literal "key"',): 4,
        ("dotted",): 5,
        ("dotted", "in ner"): 5,
        ("dotted", "in ner", "key"): 5,
        ("listen",): 7,
        ("listen", "mx"): 8,
        ("listen", "inline"): 12,
        ("listen", "text"): 13,
        ("listen", "after"): 17,
        ("relay",): 20,
        ("relay", "routes"): 20,
        ("relay", "routes", "elsewhere.test"): 21,
        ("array",): 22,
        ("array", "x"): 23,
        ("array", "last"): 26,
    }


def test_windows_line_ends_count_as_one() -> None:
    assert key_lines("a = 1\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 2, ("b", "c"): 3}


def test_a_key_that_is_not_there_is_on_the_line_of_its_table() -> None:
    lines = key_lines("[relay]\nport = 25\n")
    assert line_of(lines, ("relay", "port")) == 2
    assert line_of(lines, ("relay", "schedule", "first")) == 1
    assert line_of(lines, ("listen", "mx")) is None


NAMES = st.one_of(
    st.text(alphabet="abcXYZ019_-", min_size=1, max_size=5),
    st.text(alphabet='a.#[]{}= "\n\t', max_size=4).map(lambda text: '"' + _escaped(text) + '"'),
    st.text(alphabet='a.#[]{}= "\\', max_size=4).map(lambda text: f"'{text}'"),
)
VALUES = st.one_of(
    st.sampled_from(
        ["1", "true", "1.5", "07:32:00", "'[x]'", "'''\n[x]\ny = 1\n''''", '"""\nz = 1 # \\""""', "{ q = 1 }"]
    ),
    st.text(alphabet='a#[]{}="\n\\', max_size=8).map(lambda text: '"' + _escaped(text) + '"'),
    st.lists(st.sampled_from(["1", "2 # ]\n", "[3]", '"]"', "'['"]), max_size=3).map(
        lambda items: "[\n" + "".join(f"{item}\n,\n" for item in items) + "]"
    ),
)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


STATEMENTS = st.lists(
    st.one_of(
        st.tuples(st.just("table"), st.lists(NAMES, min_size=1, max_size=3), st.none()),
        st.tuples(st.just("key"), st.lists(NAMES, min_size=1, max_size=2), VALUES),
        st.tuples(st.just("comment"), st.text(alphabet="a=[]#\"'", max_size=5), st.none()),
    ),
    max_size=8,
)


@given(STATEMENTS)
def test_the_keys_that_are_found_are_those_that_tomllib_finds(statements: list[Any]) -> None:
    text, written = "", {}
    for kind, names, value in statements:
        if kind == "comment":
            line = f"  # {names}"
        else:
            line = f"[{' . '.join(names)}]" if kind == "table" else f"{'.'.join(names)} = {value}"
        try:
            tomllib.loads(f"{text}{line}\n")
        except tomllib.TOMLDecodeError:
            continue
        written[text.count("\n") + 1] = kind
        text += f"{line}\n"
    lines = key_lines(text)
    assert set(lines) == set(_paths(tomllib.loads(text), ()))
    assert all(written[line] != "comment" for line in lines.values())


def _paths(table: dict[str, Any], above: KeyPath) -> list[KeyPath]:
    """All keys but "q", which only stands in inline tables."""
    found = []
    for name, value in table.items():
        if name != "q":
            found.append((*above, name))
        if isinstance(value, dict):
            found += _paths(value, (*above, name))
    return found
