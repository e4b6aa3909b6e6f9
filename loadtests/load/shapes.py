"""A scenario as Locust's load shape: `locust -f loadtests/locustfile.py,loadtests/load/shapes.py --scenario peak`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from locust import LoadTestShape, events

from loadtests.load.breaking import IN_A_ROW, WINDOW_S, Counts, Window, broken, counts_of
from loadtests.load.scenarios import SCENARIOS, Scenario


class ScenarioShape(LoadTestShape):
    """Ends a scenario that steps up once the limits are broken, though not before all its users have come."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._before = Counts()
        self._window_began_s = 0.0
        self._broken = 0

    def tick(self) -> tuple[int, float] | None:
        """At the end users finish what they wait for: Locust's own end cuts those of other processes off."""
        assert self.runner is not None and self.runner.environment.parsed_options is not None  # noqa: PT018
        options = self.runner.environment.parsed_options
        scenario = SCENARIOS[options.scenario].scaled(options.scale).shortened(options.seconds)
        elapsed_s = self.get_run_time()  # type: ignore[no-untyped-call]
        users = scenario.users_at(elapsed_s)
        if users is None or (scenario.step_users and self._has_broken(scenario, elapsed_s)):
            self.runner.stop()
            return None
        return users, scenario.arriving_per_s if elapsed_s < scenario.ramp_s else float(users)

    def _has_broken(self, scenario: Scenario, elapsed_s: float) -> bool:
        if elapsed_s - self._window_began_s >= WINDOW_S:
            window = self._window(elapsed_s)
            self._broken = self._broken + 1 if broken(window, scenario.limits) else 0
        return self._broken >= IN_A_ROW and elapsed_s >= scenario.ramp_s + scenario.step_s

    def _window(self, elapsed_s: float) -> Window:
        assert self.runner is not None
        now = counts_of(self.runner.stats.entries.values())
        users = self.get_current_user_count()  # type: ignore[no-untyped-call]
        window = now.since(self._before, at_s=self._window_began_s, users=users)
        self._before, self._window_began_s = now, elapsed_s
        return window


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: ArgumentParser, **_: Any) -> None:
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="baseline", help="Whose shape the load has")
    parser.add_argument("--scale", type=float, default=1.0, help="Share of its users and of its length")
    parser.add_argument("--seconds", type=float, help="Length, where it is not to be the scenario's own")
