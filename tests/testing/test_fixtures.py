"""Fixtures of the pytest plugin in each kind of test."""

from __future__ import annotations

import subprocess
import sys

import pytest

AIDS = """
    import smtplib

    def hand_in(server, to, subject="Hello"):
        with smtplib.SMTP(server.capture.host, server.capture.port, timeout=10) as client:
            client.sendmail("app@shop.example", [to], f"Subject: {subject}\\r\\n\\r\\nHi\\r\\n")
"""


@pytest.fixture
def project(pytester):
    """A project that has mailstack installed, and a module `aids` for its tests."""
    pytester.makepyfile(aids=AIDS)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error")
    pytester.syspathinsert()
    return pytester


def test_a_test_function_has_a_server_of_its_own(project):
    project.makepyfile("""
        import pytest
        from aids import hand_in

        @pytest.mark.parametrize("number", range(3))
        def test_each_is_empty(mailstack, number):
            assert mailstack.letters == []
            hand_in(mailstack, "bob@home.test", f"number {number}")
            assert mailstack.wait_for_letter(to="bob@home.test").subject == f"number {number}"

        def test_one_for_all(mailstack_session):
            hand_in(mailstack_session, "bob@home.test")
            assert len(mailstack_session.letters) == 1

        def test_one_for_all_is_the_same(mailstack_session, mailstack):
            assert len(mailstack_session.letters) == 1
            mailstack_session.clear()
            assert mailstack_session.letters == mailstack.letters == []
    """)
    project.runpytest_subprocess().assert_outcomes(passed=5)


def test_the_marker_says_what_the_server_is_made_with(project):
    project.makepyfile("""
        import poplib, pytest
        from aids import hand_in

        @pytest.mark.mailstack(any_password=True)
        def test_any(mailstack):
            reader = poplib.POP3_SSL(mailstack.pop3s.host, mailstack.pop3s.port, context=mailstack.ssl_context)
            reader.user("carol@elsewhere.test")
            reader.pass_("whatever")
            reader.quit()

        @pytest.mark.mailstack(no_such_option=1)
        def test_wrong(mailstack):
            pass
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*no_such_option*"])


def test_a_test_that_failed_shows_what_came(project):
    project.makepyfile("""
        from aids import hand_in

        def test_fails(mailstack):
            hand_in(mailstack, "bob@home.test", "Welcome")
            assert mailstack.letters[0].subject == "Reset"

        def test_passes(mailstack):
            hand_in(mailstack, "bob@home.test", "Quiet")

        def test_stops_it_and_fails(mailstack):
            mailstack.stop()
            assert 0
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=2)
    letters = ["*Messages of the fixture mailstack*", "*from app@shop.example to bob@home.test: 'Welcome'"]
    result.stdout.fnmatch_lines([*letters, "No report available:*"])
    assert "Quiet" not in result.stdout.str()


def test_a_failed_test_has_no_report_of_a_project_s_own_fixtures(project):
    project.makepyfile("""
        import pytest

        @pytest.fixture(params=["not imported", "imported"])
        def mailstack(request):
            if request.param == "imported":
                from mailstack.testing import Internet, LocalMailServer
            return object()

        @pytest.fixture
        def internet():
            return object()

        def test_fails(mailstack, internet):
            assert 0
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=2)
    for text in ("No report available", "Messages of the fixture", "Transcript of the internet"):
        assert text not in result.stdout.str()


def test_an_internet_is_simulated_from_a_seed_and_shown_when_its_test_fails(project):
    project.makepyfile("""
        import pytest

        def world(internet):
            internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
            internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
            letter = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob")
            internet.run()
            return letter

        transcripts = []

        @pytest.mark.internet(seed=7)
        @pytest.mark.parametrize("time", [1, 2])
        def test_the_same_again(internet, time):
            world(internet)
            assert len(internet.reader("bob@b.test").collect()) == 1
            transcripts.append(str(internet.transcript))
            assert transcripts == [transcripts[0]] * time

        def test_fails(internet):
            world(internet)
            assert not internet.servers
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Transcript of the internet (seed=1)*", "*RCPT TO:<bob@b.test>*"])


def test_django_is_led_to_the_server(project):
    project.makeconftest("""
        import pytest

        class Settings:
            EMAIL_HOST = "smtp.production.example"

        @pytest.fixture
        def settings():
            '''As pytest-django's.'''
            return Settings()
    """)
    project.makepyfile("""
        def test_it(mailstack_django, mailstack, settings):
            assert mailstack_django is mailstack
            assert (settings.EMAIL_HOST, settings.EMAIL_PORT) == (mailstack.capture.host, mailstack.capture.port)
            assert settings.EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend"
            assert mailstack.flask_mail_settings()["MAIL_PORT"] == mailstack.capture.port
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_django_is_led_to_the_server_by_the_setting_mailers(project):
    project.makeconftest("""
        import sys, types
        import pytest

        sys.modules["django.core.mail"] = types.SimpleNamespace(mailers={})  # as in Django 6.1

        class Settings:
            MAILERS = {"default": {}, "news": {"BACKEND": "shop.News"}}

        @pytest.fixture
        def settings():
            return Settings()
    """)
    project.makepyfile("""
        def test_it(mailstack_django, settings):
            capture = mailstack_django.capture
            assert vars(settings) == {"MAILERS": {alias: {
                "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "OPTIONS": {"host": capture.host, "port": capture.port},
            } for alias in ("default", "news")}}
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_workers_of_xdist_do_not_meet(project):
    project.makepyfile("""
        import pytest
        from aids import hand_in

        @pytest.mark.parametrize("number", range(8))
        def test_alone(mailstack, mailstack_session, number):
            hand_in(mailstack, "bob@home.test")
            hand_in(mailstack_session, f"user{number}@home.test")
            mailstack_session.wait_for_letter(to=f"user{number}@home.test")
            assert len(mailstack.wait_for_letters(1)) == len(mailstack.letters) == 1
    """)
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=8)


def test_unittest_of_every_kind(project):
    project.makepyfile(
        test_classes="""
        import unittest
        from aids import hand_in
        from mailstack.testing import MailstackMixin
        from twisted.trial.unittest import TestCase as TrialCase
        from twisted.internet import defer, reactor, threads

        class Plain(MailstackMixin, unittest.TestCase):
            def test_one(self):
                hand_in(self.mailstack, "bob@home.test")
                self.assertEqual(len(self.mailstack.letters), 1)

            test_two = test_one

        class Asyncio(MailstackMixin, unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                hand_in(self.mailstack, "bob@home.test")
                await self.mailstack.wait_for_letter_async(to="bob@home.test", timeout=20)

        class Trial(MailstackMixin, TrialCase):
            timeout = 30

            async def test_the_reactor_of_the_test_turns_meanwhile(self):
                called = []
                reactor.callLater(0.01, called.append, 1)
                sending = threads.deferToThread(hand_in, self.mailstack, "bob@home.test")
                await self.mailstack.wait_for_letter_async(to="bob@home.test", timeout=20)
                await sending
                await self.mailstack.assert_no_letter_async(to="x@home.test", within=0.02)
                self.assertEqual(called, [1])
                with self.assertRaises(AssertionError):
                    await self.mailstack.wait_for_letter_async(to="x@home.test", timeout=0.01)

            def test_plain(self):
                hand_in(self.mailstack, "bob@home.test")
                self.mailstack.wait_for_letter(to="bob@home.test")
    """
    )
    project.runpytest_subprocess().assert_outcomes(passed=5)
    for command in ("unittest test_classes.Plain test_classes.Asyncio", "twisted.trial test_classes"):
        run = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=project.path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr


def test_a_fixture_and_trials_own_cases(project):
    project.makepyfile("""
        import pytest
        from aids import hand_in
        from twisted.trial.unittest import TestCase

        class Case(TestCase):
            @pytest.fixture(autouse=True)
            def _with_server(self, mailstack):
                self.server = mailstack

            def test_it(self):
                hand_in(self.server, "bob@home.test")
                self.server.wait_for_letter(to="bob@home.test")
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_who_uses_no_fixture_imports_nothing_of_ours(project):
    project.makepyfile("""
        import sys

        def test_nothing_is_there():
            ours = sorted(name for name in sys.modules if name.split(".")[0] in ("mailstack", "twisted", "msgspec"))
            assert ours == ["mailstack", "mailstack.testing", "mailstack.testing.pytest_plugin"]
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)
