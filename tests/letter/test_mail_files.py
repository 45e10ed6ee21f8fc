"""Letters in files: detection by content, and round trips."""

from __future__ import annotations

import io
import mailbox
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import LetterId, mbox
from mailstack.letter.mail_files import FOLDERS, detect
from mailstack.letter.mbox import with_crlf, with_lf

LETTER = b"From: a@b.test\r\nSubject: x\r\n\r\nFrom here\r\n>From there\r\n\r\n"
IDS = [LetterId("1m8bmrytg48hwfs"), LetterId("1m8bmrytg48hwft")]


def found_in(*paths: Path) -> list[bytes]:
    return [b"".join(found.chunks()) for found in detect(paths).letters]


@pytest.mark.parametrize("kind", FOLDERS)
def test_what_is_written_is_found_again_octet_for_octet(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "there"
    folder = FOLDERS[kind](place)
    for letter in IDS:
        folder.add(letter, "a@b.test", 1_790_000_000.0, [LETTER[:40], LETTER[40:]])
    folder.finish()
    assert found_in(place) == [LETTER, LETTER]
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.rglob("*") if file.is_file())
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("kind", ["eml", "maildir"])
def test_what_is_there_is_known_also_when_a_reader_has_moved_it(kind: str, tmp_path: Path) -> None:
    folder = FOLDERS[kind](tmp_path)
    folder.add(IDS[0], "", 0.0, [LETTER])
    folder.finish()
    if kind == "maildir":
        (file,) = (tmp_path / "new").iterdir()
        file.rename(tmp_path / "cur" / f"{file.name}:2,S")
    again = FOLDERS[kind](tmp_path)
    assert [again.has(letter) for letter in IDS] == [True, False]


@pytest.mark.parametrize("kind", ["eml", "maildir"])
def test_what_a_power_cut_has_left_of_a_letter_is_written_again(kind: str, tmp_path: Path) -> None:
    folder = FOLDERS[kind](tmp_path)
    folder.add(IDS[0], "", 0.0, [LETTER])
    folder.finish()
    assert FOLDERS[kind](tmp_path).has(IDS[0], len(LETTER))
    for file in tmp_path.rglob("*"):
        if file.is_file():
            os.truncate(file, 0)
    assert not FOLDERS[kind](tmp_path).has(IDS[0])


def test_an_mbox_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """The letters of an existing mbox are unknown."""
    (tmp_path / "box").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        FOLDERS["mbox"](tmp_path / "box")
    assert (tmp_path / "box").read_bytes() == b"precious"


def test_other_programs_read_what_is_written(tmp_path: Path) -> None:
    """Python's own readers of mailboxes."""
    for kind, read in (("mbox", mailbox.mbox), ("maildir", mailbox.Maildir)):
        folder = FOLDERS[kind](tmp_path / kind)
        folder.add(IDS[0], "", 0.0, [LETTER])
        folder.finish()
        box = read(tmp_path / kind, create=False)
        (message,) = box
        assert (message["From"], message["Subject"]) == ("a@b.test", "x")
        box.close()


def test_a_folder_gives_what_is_a_letter_and_names_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(LETTER)
    (tmp_path / "box").write_bytes(b"From x\nA: 1\n\n1\n\nFrom y\nA: 2\n\n2\n")
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n")
    (tmp_path / ".hidden").write_bytes(LETTER)
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to(tmp_path / "box")
    looked = detect([tmp_path])
    assert [found.name for found in looked.letters] == [
        str(tmp_path / "a" / "b.txt"),
        f"{tmp_path / 'box'}:1",
        f"{tmp_path / 'box'}:2",
    ]
    assert looked.other_files == (tmp_path / "picture",)


def test_a_maildir_gives_its_own_letters_and_names_the_mailboxes_in_it(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / ".Sent"):
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True)
            (folder / name / "1.x").write_bytes(LETTER)
    (tmp_path / "dovecot-uidlist").write_text("3 V1\n")
    looked = detect([tmp_path])
    assert [found.name for found in looked.letters] == [str(tmp_path / "cur" / "1.x"), str(tmp_path / "new" / "1.x")]
    assert (looked.other_files, looked.subfolders) == ((), (tmp_path / ".Sent",))


def test_what_would_never_end_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert detect([tmp_path]).letters == ()
    with pytest.raises(OSError, match="neither a file nor a folder"):
        detect([tmp_path / "pipe"])


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_all_lines_end_as_mail_has_them_wherever_the_octets_are_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    octets = b"".join(with_crlf(pieces))
    assert octets == b"".join(with_crlf([whole]))
    assert octets == b"".join(with_crlf([octets]))
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"".join(with_lf(pieces)) == octets.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b"From a@b.test Thu Jan  1 00:00:00 1970",
        b"From - Fri Nov 27 09:00:00 2026",
        b"From 18@xxx Fri Nov 27 09:00:00 +0000 2026",
        b"From a@b.test  Fri Nov 27 9:00 GMT 2026",
        b"From a@b.test 2026-11-27 09:00",
    ],
)
def test_a_sentence_that_begins_with_from_parts_no_letter_where_those_lines_have_dates(line: bytes) -> None:
    box = line + b"\nA: 1\n\n1\n\nFrom here on\n\nFrom 9:00 till ten\n\n" + line + b"\nA: 2\n\n2\n"
    spans = list(mbox.spans(io.BytesIO(box)))
    assert [box[start:end] for start, end in spans] == [
        b"A: 1\n\n1\n\nFrom here on\n\nFrom 9:00 till ten\n",
        b"A: 2\n\n2\n",
    ]


LINE = st.sampled_from([b"From x", b">From x", b">>From x", b"", b"a", b"From", b"x" * 70_000])


@given(st.lists(st.lists(LINE, max_size=5), min_size=1, max_size=4), st.integers(1, 90_000))
def test_letters_come_out_of_an_mbox_as_they_went_in(bodies: list[list[bytes]], cut: int) -> None:
    letters = [b"A: b\r\n\r\n" + b"".join(line + b"\r\n" for line in body) for body in bodies]
    file = io.BytesIO()
    for letter in letters:
        file.writelines(mbox.entry("", "Thu Jan  1 00:00:00 1970", [letter[:cut], letter[cut:]]))
    file.seek(0)
    spans = list(mbox.spans(file))
    assert [b"".join(with_crlf(mbox.letter(file, start, end))) for start, end in spans] == letters
