"""The function against an account: recorded events in, weights, hints, messages and lines out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from provision.switch import handler as module
from provision.switch.cloud import Cloud
from provision.switch.errors import SettingsError, SwitchError
from provision.switch.handler import Cause, Switch, cause_of, handler
from provision.switch.values import Outcome
from tests.switch.room import ALARMS, HINTS, FakeAsker, Room, a_room, client, event, session
from tests.switch.scenes import NOW
from tests.switch.tiers import Tier, serving

LOOK = Cause("by hand: look")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with a_room(monkeypatch) as made:
        yield made


@pytest.fixture
def asker(room: Room) -> FakeAsker:
    return FakeAsker(room.clock)


def look(room: Room, asker: FakeAsker, cause: Cause = LOOK, **others: Any) -> dict[str, Any]:
    """One run, with a minute and a half to live."""
    switch = Switch(room.settings(**others), room.cloud(**others), asker, room.clock)
    return switch.run(cause, ends=room.clock.monotonic() + 90)


def die(room: Room, asker: FakeAsker) -> None:
    """The fleet is dead, and everybody knows."""
    room.healthy, asker.outcome = False, Outcome.FAILED
    room.ring("canary")


class TestAWell:
    def test_fleet_changes_nothing_but_the_first_hints(
        self, room: Room, asker: FakeAsker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The second look has nothing to do, and nobody is told anything."""
        assert look(room, asker)["applied"] == "done"
        room.clock.sleep(6)
        again = look(room, asker)
        assert (again["applied"], again["mode"]["now"]) == ("nothing to do", "primary")
        assert room.weights() == (100, 0)
        assert room.told() == []
        assert asker.asked_hosted == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["event"] for line in lines] == ["switch", "switch"]


class TestADead:
    def test_fleet_loses_its_traffic_once(self, room: Room, asker: FakeAsker) -> None:
        """Weights, hints, one message, and a line with everything that it was decided from."""
        look(room, asker)
        die(room, asker)
        room.spend(1_250_000)
        room.clock.sleep(100)
        line = look(room, asker)
        assert room.weights() == (0, 100)
        hints = room.hints()
        assert hints is not None
        assert (hints["mode"], hints["share"]) == ("fallback", 0)
        (message,) = room.told()
        assert message["Subject"] == "llm-fleet switch: primary -> fallback, primary 0 %"
        assert "the hosts' canaries fail" in message["Message"]
        assert line["weights"] == {"was": [100, 0], "now": [0, 100]}
        assert line["signals"]["hosts"] == {
            "healthy": 0,
            "unhealthy": 2,
            "starting": 0,
            "leaving": 0,
        }
        assert line["signals"]["alarms_ringing"] == [ALARMS["canary"]]
        assert line["signals"]["spent_usd"] == "1.25"
        assert (
            line["signals"]["tokens"]
            == [{"outcome": "failed", "seconds": 0.2, "detail": "HTTP 502"}] * 3
        )

    def test_fleet_that_was_switched_is_left_alone(self, room: Room, asker: FakeAsker) -> None:
        """The same event twice: idempotent."""
        die(room, asker)
        look(room, asker)
        before, version = room.hints(), _version()
        room.told()
        assert look(room, asker)["applied"] == "nothing to do"
        assert (room.hints(), _version(), room.told()) == (before, version, [])

    def test_fleet_keeps_its_size_while_it_is_away(self, room: Room, asker: FakeAsker) -> None:
        """What somebody else suspended stays suspended afterwards."""
        client("autoscaling").suspend_processes(
            AutoScalingGroupName="llm-fleet-test", ScalingProcesses=["ScheduledActions"]
        )
        die(room, asker)
        look(room, asker)
        assert room.suspended() == {"AlarmNotification", "ScheduledActions"}
        room.intend(mode="force-primary")
        look(room, asker)
        assert room.suspended() == {"ScheduledActions"}
        assert room.weights() == (100, 0)

    def test_overloaded_fleet_may_grow(self, room: Room, asker: FakeAsker) -> None:
        """A part of its traffic leaves; its group is left alone."""
        room.ring("queue")
        asker.outcome = Outcome.FULL
        look(room, asker)
        assert (room.weights(), room.suspended()) == ((70, 30), set())

    def test_fleet_comes_back_step_by_step(self, room: Room, asker: FakeAsker) -> None:
        """Hold, half-open, 5, 25, 50, 100, each with its message."""
        die(room, asker)
        look(room, asker)
        room.healthy, asker.outcome = True, Outcome.GOOD
        seen = []
        for _ in range(32):
            room.clock.sleep(30)
            line = look(room, asker)
            if (
                line["mode"]["was"] != line["mode"]["now"]
                or line["weights"]["was"] != (line["weights"]["now"])
            ):
                seen.append((line["mode"]["now"], line["weights"]["now"][0]))
        assert seen == [
            ("half-open", 0),
            ("ramp", 5),
            ("ramp", 25),
            ("ramp", 50),
            ("primary", 100),
        ]
        subjects = [message["Subject"] for message in room.told()]
        assert subjects == [
            "llm-fleet switch: primary -> fallback, primary 0 %",
            "llm-fleet switch: fallback -> half-open, primary 0 %",
            "llm-fleet switch: half-open -> ramp, primary 5 %",
            "llm-fleet switch: ramp -> ramp, primary 25 %",
            "llm-fleet switch: ramp -> ramp, primary 50 %",
            "llm-fleet switch: ramp -> primary, primary 100 %",
        ]

    def test_fleet_stays_when_the_money_is_spent(self, room: Room, asker: FakeAsker) -> None:
        """And a person hears why."""
        die(room, asker)
        room.spend(50_000_000)
        look(room, asker)
        assert room.weights() == (100, 0)
        (message,) = room.told()
        assert message["Message"].endswith(
            "the fallback can't take over: 50.00 of 50.00 USD a day are spent"
        )

    def test_fleet_of_yesterdays_money_goes(self, room: Room, asker: FakeAsker) -> None:
        """The cap is a day's, in UTC."""
        die(room, asker)
        room.spend(50_000_000, day="2026-11-20")
        look(room, asker)
        assert room.weights() == (0, 100)

    def test_fleet_without_alarms_goes_on_the_targets_word(
        self, room: Room, asker: FakeAsker
    ) -> None:
        """Deleted alarms: the switch still works, and the run fails so that somebody mends them."""
        die(room, asker)
        client("cloudwatch").delete_alarms(AlarmNames=list(ALARMS.values()))
        with pytest.raises(SwitchError, match="there is no alarm llm-fleet-test-switch-busy"):
            look(room, asker)
        assert room.weights() == (0, 100)

    def test_fleet_with_a_bad_agent_stays(self, room: Room, asker: FakeAsker) -> None:
        """Every canary fails, no target is healthy, and the switch's own tokens come."""
        die(room, asker)
        asker.outcome = Outcome.GOOD
        line = look(room, asker)
        assert room.weights() == (100, 0)
        assert "the switch's own tokens say else" in line["reason"]


def _version() -> int:
    (found,) = client("ssm").get_parameters(Names=[HINTS])["Parameters"]
    version: int = found["Version"]
    return version


class TestIntent:
    def test_in_the_parameter_wins(self, room: Room, asker: FakeAsker) -> None:
        """With its version in the line."""
        room.intend(mode="force-fallback", expires_at=NOW + 60)
        line = look(room, asker)
        assert room.weights() == (0, 100)
        assert line["intent"] == {
            "mode": "force-fallback",
            "by": "ann",
            "reason": "why",
            "expires_at": "2026-11-21T03:01:00Z",
            "version": 1,
        }

    def test_that_has_run_out_is_auto(self, room: Room, asker: FakeAsker) -> None:
        """The line says whose it was; the way back begins without a hold."""
        room.intend(mode="force-fallback", expires_at=NOW + 60)
        look(room, asker)
        room.clock.sleep(61)
        line = look(room, asker)
        assert line["mode"]["now"] == "half-open"
        assert line["problems"] == [
            "force-fallback of ann ran out at 2026-11-21T03:01:00Z, so it is auto"
        ]

    def test_that_can_not_be_read_is_auto(self, room: Room, asker: FakeAsker) -> None:
        """And the fleet still falls back when it dies."""
        room.write("/llm-fleet/test/switch/intent", "on please")
        die(room, asker)
        line = look(room, asker)
        assert room.weights() == (0, 100)
        assert line["problems"][0].startswith("the intent can't be read, so it is auto")

    def test_frozen_stays(self, room: Room, asker: FakeAsker) -> None:
        """Dead or not, and a person hears of it."""
        room.intend(mode="freeze")
        die(room, asker)
        look(room, asker)
        assert room.weights() == (100, 0)
        assert [m["Subject"] for m in room.told()] == ["llm-fleet switch: look at it"]


class TestWeightsAreTheTruth:
    def test_edited_by_hand_go_on_from_there(self, room: Room, asker: FakeAsker) -> None:
        """40/60 is a step of the ramp; a minute later comes the next one."""
        look(room, asker)
        room.set_weights(40, 60)
        line = look(room, asker)
        assert (line["mode"]["now"], room.weights()) == ("ramp", (40, 60))
        assert line["problems"] == [
            "the hints were written for 100 %, the rule has 40 %: the rule wins"
        ]
        room.clock.sleep(61)
        look(room, asker)
        assert room.weights() == (50, 50)

    def test_of_one_and_nothing_are_100_and_0(self, room: Room, asker: FakeAsker) -> None:
        """The same traffic needs no change."""
        room.set_weights(1, 0)
        look(room, asker)
        assert room.weights() == (1, 0)

    def test_in_a_rule_that_leads_elsewhere_are_not_touched(
        self, room: Room, asker: FakeAsker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The run fails with a line that says so."""
        answer = {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "sorry"}
        edited = [{"Type": "fixed-response", "FixedResponseConfig": answer}]
        client("elbv2").modify_rule(RuleArn=room.rule, Actions=edited)
        die(room, asker)
        with pytest.raises(SwitchError, match="the traffic rule was edited: it forwards nowhere"):
            look(room, asker)
        line = json.loads(capsys.readouterr().out)
        assert (line["event"], line["applied"]) == (
            "switch-failed",
            "nothing: the weights are as they were",
        )
        (rule,) = client("elbv2").describe_rules(RuleArns=[room.rule])["Rules"]
        assert rule["Actions"][0]["Type"] == "fixed-response"

    def test_outlive_hints_that_were_lost(self, room: Room, asker: FakeAsker) -> None:
        """The parameter was deleted in an outage: the hold begins anew, the traffic stays away."""
        die(room, asker)
        look(room, asker)
        client("ssm").delete_parameter(Name=HINTS)
        room.clock.sleep(200)
        line = look(room, asker)
        assert (line["mode"]["now"], room.weights()) == ("fallback", (0, 100))
        assert line["hold_until"] == "2026-11-21T03:08:20Z"


class TestTwoRunsAtOnce:
    def test_move_once_and_tell_once(self, room: Room, asker: FakeAsker) -> None:
        """One asked while the other acted: it finds the rule moved, and writes nothing."""
        die(room, asker)
        other = FakeAsker(room.clock, outcome=Outcome.FAILED)
        asker.meanwhile = lambda: look(room, other)
        line = look(room, asker)
        assert line["applied"] == "overtaken"
        assert room.weights() == (0, 100)
        assert len(room.told()) == 1
        hints = room.hints()
        assert hints is not None
        assert len(hints["trips"]) == 1

    def test_do_not_overwrite_what_a_person_just_wanted(self, room: Room, asker: FakeAsker) -> None:
        """The intent came between reading and acting: the next look obeys it."""
        die(room, asker)
        asker.meanwhile = lambda: room.intend(mode="freeze")
        assert look(room, asker)["applied"] == "overtaken"
        assert room.weights() == (100, 0)


class TestADryRun:
    def test_shows_the_decision_and_changes_nothing(self, room: Room, asker: FakeAsker) -> None:
        """Neither weights nor hints, and nobody is told."""
        die(room, asker)
        line = look(room, asker, cause_of({"do": "dry-run"}))
        assert (line["applied"], line["weights"]["now"]) == ("dry run", [0, 100])
        assert (room.weights(), room.hints(), room.told()) == ((100, 0), None, [])


class RefusedCloud(Cloud):
    """An account that refuses one operation."""

    def __init__(self, room: Room, operation: str, code: str) -> None:
        super().__init__(room.settings(), session())
        self._operation, self._code = operation, code

    def _client(self, service: str) -> Any:
        return Refusing(super()._client(service), self._operation, self._code)


class Refusing:
    """A client of it."""

    def __init__(self, real: Any, operation: str, code: str) -> None:
        self._real, self._operation, self._code = real, operation, code

    def __getattr__(self, name: str) -> Any:
        return self._refuse if name == self._operation else getattr(self._real, name)

    def _refuse(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, self._operation)


class TestAwsRefuses:
    @pytest.fixture
    def refused(self, room: Room, asker: FakeAsker) -> Callable[[str, str], None]:
        def run(operation: str, code: str) -> None:
            cloud = RefusedCloud(room, operation, code)
            switch = Switch(room.settings(), cloud, asker, room.clock)
            switch.run(LOOK, ends=room.clock.monotonic() + 90)

        return run

    @pytest.mark.parametrize(
        ("operation", "code", "weights", "words"),
        [
            ("describe_rules", "RuleNotFound", (100, 0), "`pulumi up --refresh` makes it again"),
            ("describe_rules", "Throttling", (100, 0), "AWS throttles: the next look tries again"),
            ("get_parameters", "ThrottlingException", (100, 0), "AWS throttles"),
            ("modify_rule", "AccessDenied", (100, 0), "the function's role does not cover it"),
            ("modify_rule", "Throttling", (100, 0), "AWS throttles"),
            ("describe_target_health", "Throttling", (0, 100), "AWS throttles"),
            ("describe_alarms", "AccessDenied", (0, 100), "the function's role does not cover it"),
            ("get_item", "AccessDeniedException", (100, 0), "the function's role does not"),
            ("put_parameter", "ThrottlingException", (0, 100), "AWS throttles"),
            ("publish", "AuthorizationError", (0, 100), "the function's role does not cover it"),
            (
                "describe_auto_scaling_groups",
                "AccessDenied",
                (0, 100),
                "the function's role does not cover it",
            ),
        ],
    )
    def test_and_the_run_fails_with_safe_weights(
        self,
        room: Room,
        asker: FakeAsker,
        refused: Callable[[str, str], None],
        operation: str,
        code: str,
        weights: tuple[int, int],
        words: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Without rule or parameters nothing moves; without one witness the other is enough; what
        fails after the weights were written does not take them back. The line says which."""
        die(room, asker)
        with pytest.raises(SwitchError, match=words):
            refused(operation, code)
        assert room.weights() == weights
        line = json.loads(capsys.readouterr().out)
        assert words in (line["reason"] + " ".join(line.get("problems", [])))

    def test_the_weights_and_the_line_says_what_was_wanted(
        self,
        room: Room,
        asker: FakeAsker,
        refused: Callable[[str, str], None],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Nothing was written, nobody was told that it was; the metric has the weights in force."""
        die(room, asker)
        with pytest.raises(SwitchError):
            refused("modify_rule", "AccessDenied")
        line = json.loads(capsys.readouterr().out)
        assert (line["applied"], line["weights"]["now"]) == ("failed", [0, 100])
        assert (line["PrimaryShare"], line["Trips"]) == (100, 0)
        assert (room.hints(), room.told()) == (None, [])

    def test_the_floor_and_the_hints_are_not_written_with_every_look(
        self, room: Room, asker: FakeAsker, refused: Callable[[str, str], None]
    ) -> None:
        """It is tried again, quietly."""
        die(room, asker)
        for _ in range(3):
            with pytest.raises(SwitchError):
                refused("suspend_processes", "AccessDenied")
        assert _version() == 1
        assert len(room.told()) == 1

    def test_the_hints_and_nobody_is_told_with_every_look(
        self, room: Room, asker: FakeAsker, refused: Callable[[str, str], None]
    ) -> None:
        """The trip is told; that the fleet is asked, which no hint remembers, is not."""
        room.set_weights(0, 100)
        room.intend(mode="force-fallback", expires_at=NOW + 5)
        for _ in range(3):
            with pytest.raises(SwitchError):
                refused("put_parameter", "AccessDenied")
        assert room.told() == []

    def test_the_hints_and_the_next_look_makes_them_anew(
        self, room: Room, asker: FakeAsker, refused: Callable[[str, str], None]
    ) -> None:
        """The trip is on the record all the same."""
        look(room, asker)
        die(room, asker)
        with pytest.raises(SwitchError):
            refused("put_parameter", "ThrottlingException")
        look(room, asker)
        hints = room.hints()
        assert hints is not None
        assert (hints["mode"], len(hints["trips"])) == ("fallback", 1)

    def test_a_switch_that_can_not_ask_fails_before_it_is_needed(
        self, room: Room, asker: FakeAsker
    ) -> None:
        """A revoked probe key, on a day on which all is well."""
        asker.outcome = Outcome.UNCLEAR
        with pytest.raises(SwitchError, match="the switch can't ask the primary: HTTP 502"):
            look(room, asker)


class TestATick:
    def test_stays_for_most_of_its_minute(self, room: Room, asker: FakeAsker) -> None:
        """A look every six seconds."""
        look(room, asker, cause_of(event("tick")))
        assert (asker.asked, room.clock.now() - NOW) == (10, 54)

    def test_looks_once_when_it_shall_not_watch(self, room: Room, asker: FakeAsker) -> None:
        """All is well, and the policy says that a look a minute is enough."""
        look(room, asker, cause_of(event("tick")), policy={"watch_when_well": False})
        assert asker.asked == 1

    def test_watches_all_the_same_while_something_is_wrong(
        self, room: Room, asker: FakeAsker
    ) -> None:
        """Away, or with a host that is down, a minute is too long."""
        room.healthy = False
        look(room, asker, cause_of(event("tick")), policy={"watch_when_well": False})
        assert asker.asked == 10

    def test_ends_before_lambda_ends_it(self, room: Room, asker: FakeAsker) -> None:
        """A look that is cut off could write weights and no hints."""
        switch = Switch(room.settings(), room.cloud(), asker, room.clock)
        switch.run(cause_of(event("tick")), ends=room.clock.monotonic() + 40)
        assert room.clock.now() - NOW <= 20

    def test_goes_on_after_a_look_that_failed(
        self, room: Room, asker: FakeAsker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Six seconds later AWS may answer; the run fails at its end."""
        cloud = RefusedCloud(room, "describe_rules", "Throttling")
        switch = Switch(room.settings(), cloud, asker, room.clock)
        with pytest.raises(SwitchError):
            switch.run(cause_of(event("tick")), ends=room.clock.monotonic() + 90)
        assert len(capsys.readouterr().out.splitlines()) == 10

    def test_acts_in_the_look_in_which_it_sees_it(self, room: Room, asker: FakeAsker) -> None:
        """The fleet dies half-way through the minute."""

        def die_later() -> None:
            if asker.asked == 4:
                die(room, asker)

        asker.meanwhile = die_later
        look(room, asker, cause_of(event("tick")))
        hints = room.hints()
        assert hints is not None
        assert hints["trips"] == [NOW + 18]


class TestEvents:
    def test_of_an_alarm(self) -> None:
        """CloudWatch's own action: one look, at once."""
        cause = cause_of(event("alarm"))
        assert cause == Cause("alarm llm-fleet-test-switch-canary is ALARM")

    def test_of_a_schedule_and_by_hand(self) -> None:
        """The minute's tick stays; a person's look does not."""
        assert cause_of(event("tick")) == Cause("tick", stays=True)
        assert cause_of({"do": "look"}) == Cause("by hand: look")
        assert cause_of({"do": "dry-run"}) == Cause("by hand: dry-run", dry=True)

    @pytest.mark.parametrize("said", [{}, {"do": "trip"}, {"source": "aws.s3"}])
    def test_that_nobody_should_send_are_refused(self, said: dict[str, Any]) -> None:
        """With what there is instead."""
        with pytest.raises(SwitchError, match="an event that the switch does not know"):
            cause_of(said)


class Life:
    """What Lambda tells of a run."""

    def get_remaining_time_in_millis(self) -> int:
        return 5_000


class TestWhatLambdaCalls:
    @pytest.fixture
    def tiers(self) -> Iterator[tuple[Tier, Tier]]:
        with serving(Tier()) as primary, serving(Tier(tier="hosted")) as gateway:
            yield primary, gateway

    @pytest.fixture
    def told(
        self, room: Room, tiers: tuple[Tier, Tier], monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        """The function's environment, and boto3 as it finds it there."""
        primary, gateway = tiers
        document = room.document(endpoint=primary.url, gateway=gateway.url)
        monkeypatch.setenv("SWITCH", json.dumps(document))
        monkeypatch.setattr("provision.switch.cloud.boto3.Session", session)
        module._warm.cache_clear()
        return document

    def test_asks_both_tiers_over_http_and_moves_the_weights(
        self, room: Room, tiers: tuple[Tier, Tier], told: dict[str, Any]
    ) -> None:
        """The real handler, the recorded event, real tokens on loopback."""
        primary, gateway = tiers
        primary.refuse(502, "engine_unreachable")
        room.healthy = False
        room.ring("canary")
        line = handler(event("alarm"), Life())
        assert room.weights() == (0, 100)
        assert line["cause"] == "alarm llm-fleet-test-switch-canary is ALARM"
        assert [asked["headers"]["x-llm-probe"] for asked in primary.asked] == ["1"] * 3
        assert [asked["headers"]["x-llm-probe"] for asked in gateway.asked] == ["fallback"]
        assert gateway.asked[0]["headers"]["authorization"] == "Bearer sk-fleet-probe"

    def test_stays_with_a_gateway_that_gives_no_hosted_token(
        self, room: Room, tiers: tuple[Tier, Tier], told: dict[str, Any]
    ) -> None:
        """A stale answer is no proof."""
        primary, gateway = tiers
        primary.refuse(502)
        gateway.tier = "stale"
        room.ring("canary")
        line = handler(event("alarm"), Life())
        assert room.weights() == (100, 0)
        assert line["signals"]["hosted_token"]["detail"] == "stale answered instead of hosted"

    def test_without_a_probe_key_fails_and_moves_nothing(
        self, room: Room, tiers: tuple[Tier, Tier], told: dict[str, Any]
    ) -> None:
        """It can't be a witness; the reason names the secret."""
        client("secretsmanager").delete_secret(
            SecretId="llm-fleet/test/probe-key", ForceDeleteWithoutRecovery=True
        )
        room.healthy = False
        room.ring("canary")
        with pytest.raises(SwitchError, match="can't read the probe key llm-fleet/test/probe-key"):
            handler(event("alarm"), Life())
        assert room.weights() == (100, 0)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"environment": None}, "environment is empty or no text"),
            ({"alarms": {"canary": "one"}}, "alarms.canary is not a list of names"),
            ({"alarms": {"weather": ["one"]}}, "'weather' is not a valid Role"),
            ({"policy": {"hold": 1}}, "hold: there is no such key"),
            ({"spend_table": None}, "there is a daily cap, and no table"),
        ],
    )
    def test_with_wrong_settings_refuses_to_start(
        self,
        told: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        change: dict[str, Any],
        words: str,
    ) -> None:
        """Naming what is wrong."""
        monkeypatch.setenv("SWITCH", json.dumps({**told, **change}))
        with pytest.raises(SettingsError, match=words):
            handler(event("tick"), Life())

    @pytest.mark.parametrize("text", [None, "", "{}", "[]", "SWITCH"])
    def test_without_settings_refuses_to_start(
        self, text: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing, or nonsense."""
        if text is None:
            monkeypatch.delenv("SWITCH", raising=False)
        else:
            monkeypatch.setenv("SWITCH", text)
        with pytest.raises(SettingsError, match="SWITCH"):
            handler(event("tick"), Life())
