"""The table of benchmarks: its clients with a real server, and what it says of figures."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.benchmarks import bench_imap, imap_servers
from tests.benchmarks.crowd import Crowd
from tests.benchmarks.readers import collect, counted, listed
from tests.benchmarks.table import ballast, report
from tests.benchmarks.table.__main__ import scenes
from tests.benchmarks.table.results import Results
from tests.benchmarks.table.rows import ROWS, Limit, Row, Spread, Worst
from tests.benchmarks.table.run import run
from tests.benchmarks.table.scene import OURS, PEER, QUICK, Scale, Scene
from tests.benchmarks.table.site import LOGIN, running, server

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "speed.md"


def test_the_clients_send_and_fetch_what_they_say(tmp_path: Path) -> None:
    with server(tmp_path / "server", accounts=3) as site:
        with closing(Crowd(site.host, site.smtp, 2, LOGIN, 100_000, people=3)) as crowd:
            assert crowd.send(4).letters == 4
            assert len(crowd.send(2).waits) == 2
        with closing(Crowd(site.host, site.submission, 2, LOGIN, login=LOGIN, once=True, people=3)) as crowd:
            crowd.send(3)
        mailboxes = [LOGIN.format(number) for number in (1, 2, 3)]
        assert [counted(site.host, site.pop3, name) for name in mailboxes] == [3, 3, 3]
        assert listed(site.host, site.pop3, mailboxes[0])[0] == 3
        assert collect(site.host, site.pop3, iter(mailboxes), 2)[0] == 9
        assert [counted(site.host, site.pop3, name) for name in mailboxes] == [0, 0, 0]
        with (
            closing(Crowd(site.host, site.smtp, 1, "nobody@home.test")) as crowd,
            pytest.raises(ValueError, match="550"),
        ):
            crowd.send(1)
    assert site.log is not None
    assert "the reactor was blocked for" in site.log.read_text()


def test_a_server_works_among_copies_of_letters_and_accounts(tmp_path: Path) -> None:
    with (
        server(tmp_path / "server", accounts=1) as site,
        closing(Crowd(site.host, site.smtp, 1, LOGIN, people=1)) as crowd,
    ):
        crowd.send(1)
    ballast.add_letters(tmp_path / "server" / "data", 3000)
    ballast.add_accounts(tmp_path / "server" / "data", 2, 5)
    with running(tmp_path / "server") as site:
        with closing(Crowd(site.host, site.submission, 5, LOGIN, login=LOGIN, once=True, people=5)) as crowd:
            crowd.send(5)
        assert [counted(site.host, site.pop3, LOGIN.format(number)) for number in (1, 5)] == [2, 1]


def results(**figures: list[float]) -> Results:
    found = Results(peers={"scene": ("Postfix", "Postfix 3")})
    found.rounds["scene"] = {side: {"rate": values} for side, values in figures.items()}
    return found


def test_a_row_is_judged_by_the_medians() -> None:
    found = results(**{OURS: [1.0, 300.0, 400.0], PEER: [100.0, 150.0, 9000.0]})
    judged = Row("", "", "scene", "rate", "/s", 2).judge(found)
    assert (judged.ours, judged.least, judged.most) == (300, 1, 400)
    assert (judged.peer, judged.peer_name, judged.ratio, judged.holds) == (150, "Postfix", 2, True)
    assert Row("", "", "scene", "rate", "/s", 2.1).judge(found).holds is False
    assert Row("", "", "scene", "rate", "s", 2, less=True).judge(found).ratio == 0.5


def test_a_limit_holds_without_a_peer() -> None:
    found = results(**{OURS: [4.0]})
    assert Limit("", "", "scene", "rate", "KB", 4).judge(found).holds is True
    assert Limit("", "", "scene", "rate", "KB", 3).judge(found).holds is False
    assert Row("", "", "scene", "rate", "/s", 2).judge(found).holds is None


def test_a_spread_is_between_sides_and_the_worst_is_of_all_scenes() -> None:
    found = results(few=[10.0], many=[8.0])
    assert Spread("", "", "scene", "rate", "%", 20).judge(found).ours == pytest.approx(25)
    found.add("other", OURS, {"rate": 20})
    found.add("other", PEER, {"rate": 99})
    judged = Worst("", "", "*", "rate", "ms", 20).judge(found)
    assert (judged.ours, judged.holds, judged.note) == (20, True, "in other")


def test_what_was_not_measured_says_why() -> None:
    found = Results(trouble={"scene": "the time was over"})
    row = Row("", "work", "scene", "rate", "/s", 2)
    assert report.cells(row, row.judge(found)) == ("work", "", "", "", "", "2 times", "the time was over")


def test_a_scene_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    def measure(*_: object) -> dict[str, float]:
        raise ValueError("554 no")

    found = Results()
    quiet = next(scene for scene in scenes(QUICK) if scene.name == "dev")
    scene = Scene("scene", quiet.sides, measure)
    run(scene, Scale(), 2, tmp_path, found, with_peers=False, further=lambda _: None)
    assert found.trouble == {"scene": "ValueError: 554 no"}
    assert not found.rounds


def test_every_row_shows_a_scene_and_stands_in_the_document() -> None:
    known = {scene.name: scene for scene in scenes(QUICK)}
    assert len({row.name for row in ROWS}) == len(ROWS)
    page = PAGE.read_text()
    for row in ROWS:
        assert isinstance(row, Worst) or row.scene in known, row.name
        assert isinstance(row, (Worst, Spread)) or row.side in known[row.scene].sides, row.name
        assert f"| {row.work} |" in page, row.name


def test_imap_is_measured_with_a_listener_that_other_rows_do_not_have(tmp_path: Path) -> None:
    figures = dict(bench_imap.measure(imap_servers.ours, tmp_path / "ours", 30))
    assert set(bench_imap.TIMES) | set(bench_imap.LIMITS) <= set(figures)
    assert min(figures.values()) > 0
    with server(tmp_path / "other", accounts=1) as site:
        assert site.imap == 0
