"""Unit files are read as systemd reads them, or refused."""

from __future__ import annotations

import pytest

from rehearsal.units import Line, Unit, UnitError, parse, seconds

AGENT = """\
[Unit]
Description=llm-fleet: agent
After=network-online.target docker.service
Wants=docker.service
StartLimitIntervalSec=0

[Service]
# a comment
Environment=A=1 "B=two words"
EnvironmentFile=-/etc/llm-fleet/hop.env
ExecStart=/usr/bin/python3 /opt/llm-fleet/host.pyz \\
    serve
Restart=always
RestartSec=2
RuntimeDirectory=llm-fleet
TimeoutStopSec=1min 30s

[Install]
WantedBy=multi-user.target
"""


class TestParse:
    def test_a_service_as_a_whole(self) -> None:
        """Every directive that has an effect is in the value."""
        assert parse("agent.service", AGENT) == Unit(
            name="agent.service",
            start=(Line("/usr/bin/python3 /opt/llm-fleet/host.pyz      serve"),),
            restart="always",
            restart_s=2.0,
            environment=(("A", "1"), ("B", "two words")),
            environment_files=("-/etc/llm-fleet/hop.env",),
            timeout_stop_s=90.0,
            directories=("/run/llm-fleet",),
            after=("network-online.target", "docker.service"),
            wants=("docker.service",),
            wanted_by=("multi-user.target",),
            start_limit_interval_s=0.0,
        )

    @pytest.mark.parametrize(
        "line",
        [
            "Type=dbus",
            "Type=forking",
            "User=nobody",
            "Restart=sometimes",
            "DynamicUser=yes",
            "ExecStart=@/bin/x y",
            "no equals sign",
        ],
    )
    def test_what_is_not_understood_is_refused(self, line: str) -> None:
        """A rehearsal never skips a line that would have had an effect."""
        with pytest.raises(UnitError, match="not understood"):
            parse("x.service", f"[Service]\nExecStart=/bin/true\n{line}\n")

    def test_an_empty_value_takes_back_what_was_said(self) -> None:
        """As in a drop-in: `ExecStart=` clears the list."""
        unit = parse("x.service", "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n")

        assert unit.start == (Line("/bin/b"),)

    def test_a_oneshot_may_take_its_time(self) -> None:
        """No start timeout unless one is given, and several commands."""
        unit = parse("x.service", "[Service]\nType=oneshot\nExecStart=/a\nExecStart=-/b\n")

        assert unit.timeout_start_s is None
        assert unit.start == (Line("/a"), Line("/b", may_fail=True))


class TestLine:
    def test_variables(self) -> None:
        """``${X}`` stays one word, a word ``$X`` is split, quotes hold."""
        line = Line("run ${A} $B 'c d' x${C}y $MISSING")

        assert line.argv({"A": "1 2", "B": "3 4", "C": "-"}) == [
            *("run", "1 2", "3", "4", "c d", "x-y"),
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90.0), ("500ms", 0.5), ("1min 30s", 90.0), ("2h", 7200.0), ("infinity", None)],
)
def test_time_spans(text: str, expected: float | None) -> None:
    """systemd's spellings, in seconds; infinity is no limit."""
    assert seconds(text) == expected


def test_a_strange_time_span_is_refused() -> None:
    """Units that are not known raise."""
    with pytest.raises(UnitError, match="fortnights"):
        seconds("2 fortnights")
