"""`askwell alerts test` as its user runs it, to sinks that are real."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from loadtests.sinks import mail_sink, web_sink
from tests.cluster.running import clean_environment


async def run(folder: Path, addresses: dict[str, str], *arguments: str, alerts: Path | None = None) -> tuple[int, str]:
    """The exit code and what was printed."""
    environment = clean_environment(
        ASKWELL_DATA_DIR=str(folder),
        ASKWELL_ALERT_CHANNELS=json.dumps(addresses),
        **({} if alerts is None else {"ASKWELL_ALERTS": str(alerts)}),
    )
    command = [sys.executable, "-m", "serve_app", "alerts", "test", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def test_each_channel_gets_a_message_that_says_it_is_a_test(tmp_path: Path) -> None:
    async with mail_sink() as mail, web_sink() as hook:
        code, printed = await run(tmp_path, {"mail": mail.address, "hook": hook.address})
    assert (code, printed.splitlines()) == (0, ["console: delivered", "mail: delivered", "hook: delivered"])
    for sink in (mail, hook):
        (arrived,) = sink.arrived
        assert "TEST" in arrived.title
        assert "nothing has to be done" in arrived.text
    assert "TEST" in (tmp_path / "alerts.log").read_text()


async def test_a_channel_that_does_not_take_it_is_named_and_the_command_fails(tmp_path: Path) -> None:
    async with mail_sink() as mail, web_sink() as hook:
        hook.away = True
        code, printed = await run(tmp_path, {"mail": mail.address, "hook": hook.address}, "hook")
    assert (code, mail.arrived) == (1, [])
    assert printed.startswith("hook: failed")


async def test_wrong_settings_are_refused_with_the_channel_s_or_the_rule_s_name_and_no_secret(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.toml"
    rules.write_text("[latency]\ncritical.limit = 1.0\n")
    refusals = [
        (await run(tmp_path, {"ops": "no-address-of-apprise-s3cret"}), "ASKWELL_ALERT_CHANNELS: ops"),
        (await run(tmp_path, {"Ops!": "json://127.0.0.1"}), "ASKWELL_ALERT_CHANNELS"),
        (await run(tmp_path, {}, alerts=rules), "ASKWELL_ALERTS"),
        (await run(tmp_path, {}, "nobody"), "name one of console"),
    ]
    for (code, printed), told in refusals:
        assert (code, told in printed, "s3cret" in printed) == (2, True, False), printed
