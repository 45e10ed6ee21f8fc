"""Schemathesis run against the OpenAPI description of a dev environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.dev import DevProcess
from tests.web.api.test_managing import Api, write

SECONDS = 20
CHECKS = (
    "not_a_server_error", "response_schema_conformance", "content_type_conformance", "status_code_conformance",
    "unsupported_method", "negative_data_rejection",
)  # fmt: skip
LONG = ("/v1/events", "/v1/wait", "/v1/clock")
"""What waits, and what moves the time of all."""


def test_what_is_described_is_answered(tmp_path: Path) -> None:
    path = "v1/openapi.json"
    pytest.importorskip("schemathesis", reason="pip install 'mailstack[api]'")
    validator = pytest.importorskip("openapi_spec_validator")
    with DevProcess(tmp_path) as dev:
        for number in range(3):
            write(Api(dev.web), "bob@home.test", f"Number {number}", text="Your code is 482913.")
        validator.validate(dev.api("GET", path))
        line = [sys.executable, "-m", "schemathesis.cli", "run", dev.web + path, "--seed", "1"]
        line += ["--max-examples", "5", "--max-time", str(SECONDS), "--request-timeout", "10", "--no-color"]
        line += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
        for each in LONG:
            line += ["--exclude-path", each]
        done = subprocess.run(line, capture_output=True, text=True, timeout=4 * SECONDS, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-4000:]
        assert dev.stop() in (0, -15)
