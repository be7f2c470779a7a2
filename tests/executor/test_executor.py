"""A Plan is carried out wave by wave; what fails stays on its host."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from provision.commands.command import Command, Result
from provision.connectors.protocols import Answer
from provision.errors import CloudError, HostUnreachable, NotReady, PlanError
from provision.executor.executor import Executor
from provision.executor.outcome import Event, Kind, Listener, Outcome
from provision.facts.inventory import Host, Inventory
from provision.planning.actions import ImageSpec, Run
from provision.planning.deploy import plan_deploy
from provision.planning.plan import Plan, Step, Wave
from provision.planning.release import assemble
from provision.planning.situation import Situation, Target
from provision.secret import Secret
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell

RELEASE = assemble("mistral-7b", {"engine.yaml": "x: 1\n", "host.pyz": b"PK"}, {})
IMAGES = (
    ImageSpec(f"{samples.REPOSITORY_URL}:engine-0123456789ab", "vllm/vllm-openai:v0", "Dockerfile"),
)
TARGET = Target(RELEASE, IMAGES, "mistralai/Mistral", "abc", "weights/mistral-7b/abc")
URL = "http://fleet.test/v1/chat/completions"
PRIMARY = {"x-llm-tier": "primary"}
WHOLE = Answer(200, PRIMARY, '{"choices": [{"message": {"content": "Hello."}}]}')
STREAMED = Answer(200, PRIMARY, "data: {}\n\ndata: [DONE]", chunks=7)


def events(*documents: dict[str, Any], code: int = 0) -> Result:
    """What the host program prints."""
    return Result(code, "".join(json.dumps({"t": 1.0, **one}) + "\n" for one in documents))


READY = events(
    {"event": "phase", "phase": "load", "state": "begun"},
    {"event": "phase", "phase": "load", "state": "done", "seconds": 3.5},
    {
        "event": "ready",
        "release": RELEASE.id,
        "waterfall": {"weights": 2.0, "load": 3.5, "warm-up": 1.0},
        "kv_cache_tokens": 61344,
    },
)


class Fleet:
    """Hosts, account and service in which everything works until a test breaks something."""

    def __init__(self, count: int = 2) -> None:
        self.hosts = samples.hosts(count)
        self.shell, self.http, self.clock = FakeShell(), FakeHttp(), FakeClock()
        self.cloud = FakeCloud(samples.outputs(), self.hosts)
        self.cloud.health = {host.name: ["initial", "healthy"] for host in self.hosts}
        self.events: list[Event] = []
        self.shell.prepare("*readlink*", Result(0, "/\n"))
        for verb in ("prove-gpu", "mirror", "seed-weights"):
            self.shell.prepare(f"python3 *host.pyz {verb}*", events({"event": "done"}))
        self.shell.prepare(
            "python3 *host.pyz apply *",
            events({"event": "phase", "phase": "pull", "state": "done", "seconds": 4.0}),
        )
        self.shell.prepare("python3 *host.pyz wait *", READY)
        self.http.prepare("POST", URL, WHOLE, STREAMED)

    def plan(self, **changes: Any) -> Plan:
        situation = Situation(
            Inventory(self.hosts),
            {host.name: samples.facts() for host in self.hosts},
            new_probe_key=Secret("sk-fleet-probe"),
        )
        return plan_deploy(samples.environment(), TARGET, replace(situation, **changes))

    def execute(self, plan: Plan, listener: Listener | None = None) -> Outcome:
        executor = Executor(
            shell=self.shell,
            http=self.http,
            cloud=self.cloud,
            clock=self.clock,
            listener=listener or self.events.append,
        )
        return executor.execute(plan)

    def deploy(self, **changes: Any) -> Outcome:
        return self.execute(self.plan(**changes))


def test_a_whole_deploy() -> None:
    """Files, stores, start, traffic, answer, current: all done, in this order on a host."""
    fleet = Fleet()
    outcome = fleet.deploy()

    assert (outcome.ok, outcome.exit_code) == (True, 0)
    program = f"python3 /opt/llm-fleet/releases/{RELEASE.id}/host.pyz"
    assert fleet.shell.ran("i-1")[1:] == [
        f"upload /opt/llm-fleet/releases/{RELEASE.id}",
        f"{program} mirror",
        f"{program} prove-gpu --image {IMAGES[0].target} --count 1",
        f"{program} apply --release {RELEASE.id} --first",
        f"{program} wait --release {RELEASE.id} --timeout 1200",
    ]
    assert fleet.cloud.log == [
        "secret llm-fleet/test/client-keys",
        "secret llm-fleet/test/probe-key",
        *sorted(line for line in fleet.cloud.log[2:4]),
        f"put releases/{RELEASE.id}/release.json",
        "keys for weights/mistral-7b/abc",
        "put releases/current",
    ]
    assert json.loads(fleet.cloud.objects["releases/current"]) == {"release": RELEASE.id}
    assert (outcome.answer, outcome.streamed_chunks) == ("Hello.", 7)


def test_the_waterfall_joins_what_each_part_measured() -> None:
    """Upload from here, the pull from ``apply``, the rest from the agent."""
    [_, first, _] = Fleet().deploy().hosts
    assert list(first.waterfall) == ["upload", "pull", "weights", "load", "warm-up"]
    assert first.waterfall["load"] == 3.5


def test_secrets_travel_on_standard_input_only() -> None:
    """Neither the log nor the words of a command show a password, a key or a token."""
    fleet = Fleet()
    fleet.cloud.secrets["llm-fleet/test/hub-token"] = Secret("hf_token")
    fleet.deploy()
    secrets = ("registry-password", "secret-access-key", "session-token", "hf_token")
    given = "".join(command.stdin_text() or "" for _, command in fleet.shell.commands)
    assert [secret in given for secret in secrets] == [True] * 4
    shown = repr(fleet.shell.commands) + "\n".join(fleet.shell.log)
    assert [secret in shown for secret in secrets] == [False] * 4


def test_a_failed_host_gets_no_further_step_while_others_finish() -> None:
    """The engine of one host dies: the other serves, current stays, exit code 1."""
    fleet = Fleet()
    failure = {"event": "failed", "reason": "engine exited", "hint": "lower it", "log": ["OOM"]}
    fleet.shell.prepare("*apply*", events(failure, code=1), host="i-2")
    outcome = fleet.deploy()

    assert outcome.exit_code == 1
    _, one, two = outcome.hosts
    assert (one.ok, two.failed, two.not_done) == (
        True,
        f"start {RELEASE.id}",
        ("wait until ready", "wait for traffic"),
    )
    assert str(two.error) == "i-2: engine exited\n    | OOM\n  next: lower it"
    assert outcome.never_began == ("finish",)
    assert "releases/current" not in fleet.cloud.objects


def test_weights_that_stay_truncated_stop_their_host() -> None:
    """The host program refuses a damaged model; its reason and next step reach the operator."""
    fleet = Fleet()
    failure = {
        "event": "failed",
        "reason": "can't get weights/mistral-7b/abc/model.safetensors from the bucket: it is not"
        " what the manifest says",
        "hint": "seed the weights again",
        "log": [],
    }
    fleet.shell.prepare("*apply*", events(failure, code=1), host="i-1")
    [_, one, two] = fleet.deploy().hosts
    assert "not what the manifest says" in str(one.error)
    assert "next: seed the weights again" in str(one.error)
    assert two.ok


def test_an_engine_that_never_gets_healthy() -> None:
    """NotReady says how long was waited and shows the last log lines."""
    fleet = Fleet()
    failure = {"event": "failed", "reason": "not ready in time", "log": ["loading shard 1/2"]}
    fleet.shell.prepare("*wait*", events(failure, code=1))
    outcome = fleet.deploy()
    error = outcome.hosts[1].error
    assert isinstance(error, NotReady)
    assert "i-1: not ready in time" in str(error)
    assert "| loading shard 1/2" in str(error)
    assert "fab logs --hosts i-1" in error.hint


def test_a_command_that_ends_without_a_word_shows_its_last_lines() -> None:
    """No event at all (no Python, no disk): exit code, output and a next step."""
    fleet = Fleet()
    fleet.shell.prepare("*apply*", Result(28, "", "tar: No space left on device"), host="i-1")
    error = fleet.deploy().hosts[1].error
    assert "exit 28" in str(error)
    assert "No space left on device" in str(error)
    assert "df -h" in str(error)


def keys_expired(sent: int) -> Result:
    """What the host program says when the bucket takes its keys no more."""
    failure = {"event": "failed", "reason": "ExpiredToken", "hint": "again", "log": []}
    return events({**failure, "code": "keys-expired", "sent": sent}, code=1)


def test_keys_that_end_during_an_upload_are_lent_anew() -> None:
    """As long as the host gets on; the first hour may go into the download alone."""
    fleet = Fleet()
    ended = [keys_expired(sent) for sent in (0, 3, 0, 2)]
    fleet.shell.prepare("python3 *host.pyz seed-weights*", *ended, events({"event": "seeded"}))
    assert fleet.deploy().ok
    assert fleet.cloud.log.count("keys for weights/mistral-7b/abc") == 5
    told = [event.text for event in fleet.events if "lending new ones" in event.text]
    assert [text.split("after ")[1][0] for text in told] == ["0", "3", "0", "2"]


def test_a_host_that_gets_nowhere_is_not_lent_keys_for_ever() -> None:
    """Two hours without one file: the error, and nothing later begins."""
    fleet = Fleet()
    fleet.shell.prepare("python3 *host.pyz seed-weights*", keys_expired(0))
    outcome = fleet.deploy()
    assert outcome.exit_code == 1
    assert fleet.cloud.log.count("keys for weights/mistral-7b/abc") == 2
    assert str(outcome.hosts[2].error) == "i-2: ExpiredToken\n  next: again"
    assert outcome.never_began == ("start", "finish")


def test_work_for_all_moves_to_a_host_that_still_works() -> None:
    """The host that should have filled the registry broke before: another one does it."""
    fleet = Fleet()
    fleet.shell.refuse_uploads("i-1", HostUnreachable("i-1", "connection reset"))
    outcome = fleet.deploy()
    assert any("mirror" in line for line in fleet.shell.ran("i-2"))
    assert [one.ok for one in outcome.hosts] == [True, False, True]


def test_when_work_for_all_fails_nothing_later_begins() -> None:
    """Without images and weights no host can start, so none is touched."""
    fleet = Fleet()
    fleet.shell.prepare("*mirror*", events({"event": "failed", "reason": "denied"}, code=1))
    outcome = fleet.deploy()
    assert outcome.never_began == ("start", "finish")
    assert not [line for line in fleet.shell.log if "apply" in line]


def test_a_bucket_that_refuses_stops_before_hosts_start() -> None:
    """S3 denied: the error is the environment's, and no host starts anything."""
    fleet = Fleet()
    fleet.cloud.failures["put_object"] = CloudError("s3:put_object denied", hint="ask for it")
    outcome = fleet.deploy()
    assert str(outcome.hosts[0].error) == "s3:put_object denied\n  next: ask for it"
    assert outcome.never_began == ("fill registry and bucket", "start", "finish")


def test_a_host_that_was_left_out_counts_as_failed() -> None:
    """The others are deployed; the release does not become current."""
    fleet = Fleet(3)
    facts = {host.name: samples.facts() for host in fleet.hosts[:2]}
    outcome = fleet.deploy(facts=facts, unreachable={"i-3": "no route"})
    assert [one.ok for one in outcome.hosts] == [True, True, True, False]
    assert outcome.never_began == ("finish",)
    assert fleet.shell.ran("i-3") == []


def test_a_plan_made_against_another_state_is_not_begun() -> None:
    """A host that changed since the Plan was made stops everything before the first change."""
    fleet = Fleet()
    fleet.shell.prepare("*readlink*", Result(0, "r-somebodyelse\n"), host="i-2")
    with pytest.raises(PlanError, match="i-2 runs r-somebodyelse now, not nothing"):
        fleet.deploy()
    assert fleet.cloud.log == []
    assert fleet.shell.files == {}


def test_a_host_lost_since_the_plan_was_made() -> None:
    """It fails alone; the others go on."""
    fleet = Fleet()
    fleet.shell.prepare("*readlink*", HostUnreachable("i-2", "timed out"), host="i-2")
    outcome = fleet.deploy()
    assert [one.ok for one in outcome.hosts] == [True, True, False]


def test_the_answer_must_come_from_our_own_engine() -> None:
    """An answer of the fallback, or none, is asked for again until the time is up."""
    fleet = Fleet()
    fallback = replace(WHOLE, headers={"x-llm-tier": "fallback"})
    fleet.http.prepare("POST", URL, Answer(503), fallback, WHOLE, STREAMED)
    assert fleet.deploy().ok
    assert fleet.clock.slept.count(1.0) >= 2

    headers = fleet.http.asked[-1].headers
    assert headers == {"Authorization": "Bearer sk-fleet-probe", "x-llm-probe": "1"}

    fleet = Fleet()
    fleet.http.prepare("POST", URL, fallback)
    outcome = fleet.deploy()
    assert "x-llm-tier is fallback, not primary" in str(outcome.hosts[0].error)
    assert "releases/current" not in fleet.cloud.objects


def test_a_host_that_gets_no_traffic() -> None:
    """The load balancer's own reason is in the error."""
    fleet = Fleet()
    fleet.cloud.health = {"i-1": ["healthy"], "i-2": ["unhealthy"]}
    outcome = fleet.deploy()
    assert "after 300 s (unhealthy)" in str(outcome.hosts[2].error)


def test_hosts_of_a_wave_run_side_by_side() -> None:
    """Every host of a wave is at work before any has finished."""
    fleet = Fleet(8)
    together = threading.Barrier(8, timeout=10)

    def apply(_host: Host, _command: Command) -> Result:
        together.wait()
        return Result(0)

    fleet.shell.prepare("*apply*", apply)
    assert fleet.deploy().ok


def test_ctrl_c_finishes_what_changes_and_begins_nothing_new() -> None:
    """Running changes end, no step follows, and the outcome says what was not done."""
    fleet = Fleet(2)
    both, stopping = threading.Barrier(2, timeout=10), threading.Event()

    def listen(event: Event) -> None:
        if event.kind is Kind.NOTE:
            stopping.set()

    def slow(_host: Host, _command: Command) -> Result:
        if both.wait() == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert stopping.wait(10)
        return Result(0)

    steps = [
        Step(host, summary, "test", Run(Command((word,))))
        for host in fleet.hosts
        for summary, word in (("slow", "slow"), ("after", "never"))
    ]
    fleet.shell.prepare("slow", slow)
    later = Wave("later", (Step(fleet.hosts[0], "later", "test", Run(Command(("never",)))),))
    outcome = fleet.execute(Plan("test", (Wave("now", tuple(steps)), later)), listen)

    assert (outcome.interrupted, outcome.exit_code) == (True, 1)
    assert [[step.summary for step in one.done] for one in outcome.hosts[1:]] == [["slow"]] * 2
    assert [one.not_done for one in outcome.hosts[1:]] == [("after",)] * 2
    assert outcome.never_began == ("later",)


def test_ctrl_c_cuts_what_only_waits() -> None:
    """Nothing changes while hosts warm up: connections end at once, and nobody is called broken."""
    fleet = Fleet(1)

    def wait(host: Host, _command: Command) -> Result:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert fleet.shell.closing.wait(10)
        raise HostUnreachable(host.name, "connection closed")

    fleet.shell.prepare("*wait*", wait)
    outcome = fleet.deploy()
    assert (outcome.interrupted, outcome.hosts[1].cut) == (True, True)
    assert outcome.hosts[1].not_done == ("wait for traffic",)


def test_a_second_ctrl_c_cuts_changes_too() -> None:
    """The operator insists: connections end in the middle of a change."""
    fleet = Fleet(1)
    notes: list[str] = []

    def press(event: Event) -> None:
        if event.kind is Kind.NOTE:
            notes.append(event.text)
            if len(notes) == 1:
                signal.raise_signal(signal.SIGINT)

    def apply(host: Host, _command: Command) -> Result:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert fleet.shell.closing.wait(10)
        raise HostUnreachable(host.name, "connection closed")

    fleet.shell.prepare("*apply*", apply)
    outcome = fleet.execute(fleet.plan(), press)
    assert notes == [
        "stopping: 1 running change(s) finish first; Ctrl-C again cuts them",
        "cutting",
    ]
    assert outcome.hosts[1].cut


def test_a_bug_keeps_its_traceback() -> None:
    """What is no FleetError is not turned into a host's failure."""
    fleet = Fleet()
    fleet.shell.prepare("*apply*", ZeroDivisionError("bug"))
    with pytest.raises(ZeroDivisionError):
        fleet.deploy()
