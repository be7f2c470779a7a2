"""Follows ECS as moto tells it: what a service wants runs here, in tasks with their own address."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from rehearsal import gateway, moto_services
from rehearsal.alb_health import HEALTHY, Board
from rehearsal.ec2 import client
from rehearsal.ecs_rules import Rollout, Service, State, TaskNow, containers, gives_up, moves
from rehearsal.ecs_task import Task
from rehearsal.host import HostProcess, Machine
from rehearsal.processes import MachineError
from rehearsal.settings import Settings

POLL_S = 0.5


@dataclass(slots=True)
class Running:
    """A task of ours, from its first moment to its last."""

    key: str
    service: Service
    state: State = State.STARTING
    task: Task | None = None
    interface: str = ""
    up: bool = False  # all its containers run

    @property
    def now(self) -> TaskNow:
        """As the rules see it."""
        return TaskNow(self.key, self.service.definition, self.state)


@dataclass(slots=True)
class EcsFollower:
    """Starts and ends tasks, twice a second, in a thread of its own.

    *variables* are given to every container, *drain_s* is how long a task is left alone after it
    was taken out of traffic.
    """

    settings: Settings
    board: Board
    variables: Mapping[str, str]
    say: Callable[[str], None]
    drain_s: float = 10.0
    _tasks: dict[str, Running] = field(default_factory=dict)
    _rollouts: dict[str, Rollout] = field(default_factory=dict)
    _count: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))
    _clients: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self._loop, name="ecs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following, and take every task away."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for one in self._tasks.values():
            if one.task is not None:
                one.task.host.remove()

    def _loop(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                for service in moto_services.services(self.settings.region):
                    self._follow(service)
            except Exception:
                self.say(f"ecs: {traceback.format_exc()}")

    def _follow(self, service: Service) -> None:
        mine = [one for one in list(self._tasks.values()) if one.service.key == service.key]
        for one in mine:
            self._look(one)
        rollout = self._rollout(service)
        if gives_up(len(rollout.failures), service.desired):
            return
        wanted = moves(service.definition, service.desired, [one.now for one in mine])
        for _ in range(wanted.start):
            self._begin(service)
        for one in mine:
            if one.key in wanted.end:
                self._end(one)
        self._report(service, mine, settled=not wanted.start and not wanted.end)

    def _rollout(self, service: Service) -> Rollout:
        known = self._rollouts.get(service.key)
        if known is None or known.definition != service.definition:
            good = known.good if known else ""
            known = self._rollouts[service.key] = Rollout(service.definition, good)
        return known

    def _report(self, service: Service, mine: list[Running], *, settled: bool) -> None:
        up = [one for one in mine if one.up and one.state is not State.LEAVING]
        right = [one for one in up if one.service.definition == service.definition]
        serving = sum(one.state is State.SERVING for one in right)
        alone = settled and len(mine) == service.desired == serving
        if alone and serving:
            self._rollouts[service.key].good = service.definition
        moto_services.report(self.settings.region, service, running=len(up), alone=alone)

    def _look(self, one: Running) -> None:
        """Whether it serves, or has ended by itself."""
        if not one.up or one.task is None or one.state is State.LEAVING:
            return
        if why := one.task.ended():
            self._fail(one, why)
            self._end(one)
            return
        group, port = one.service.target_group, one.service.port
        healthy = self.board.get(group, one.task.address, port) == HEALTHY
        one.state = State.SERVING if healthy else State.STARTING

    def _begin(self, service: Service) -> None:
        self._count += 1
        one = self._tasks[f"task{self._count}"] = Running(f"task{self._count}", service)
        self._pool.submit(self._carefully, one, self._launch)

    def _end(self, one: Running) -> None:
        if one.state is not State.LEAVING:
            one.state = State.LEAVING
            self._pool.submit(self._carefully, one, self._retire)

    def _carefully(self, one: Running, act: Callable[[Running], None]) -> None:
        try:
            act(one)
        except MachineError as error:
            if one.state is not State.LEAVING:
                self._fail(one, error.message)
                self._end(one)
        except Exception:
            self.say(f"{one.key}: {traceback.format_exc()}")
            if one.state is not State.LEAVING:
                self._fail(one, "the rehearsal's own fault: see cloud.log")
                self._end(one)

    def _launch(self, one: Running) -> None:
        service, network = one.service, self.settings.network
        said = self._aws("ecs").describe_task_definition(taskDefinition=service.definition)
        parts = containers(said["taskDefinition"])
        for part in parts:
            self._require_image(part.image)
        card = self._aws("ec2").create_network_interface(
            SubnetId=service.subnets[0], Groups=list(service.groups), Description=one.key
        )["NetworkInterface"]
        one.interface = card["NetworkInterfaceId"]
        machine = Machine(self.settings.state, network, (*self.settings.binds, gateway.FOLDER))
        one.task = Task(
            host=HostProcess(machine, one.key),
            address=card["PrivateIpAddress"],
            resolver=network.machine,
            containers=parts,
            variables=self.variables,
            wanted=lambda: one.state is not State.LEAVING and not self._stop.is_set(),
        )
        one.task.start()
        self._register(one, one.task.address)
        one.up = True
        self.say(f"{service.name}: {one.key} runs {service.definition.rpartition('/')[2]}")

    def _retire(self, one: Running) -> None:
        if one.task is not None:
            if one.up:
                self._deregister(one, one.task.address)
                self._stop.wait(self.drain_s)
            if one.task.host.folder.exists():
                one.task.stop()
        if one.interface:
            self._aws("ec2").delete_network_interface(NetworkInterfaceId=one.interface)
        self._tasks.pop(one.key, None)
        self.say(f"{one.service.name}: {one.key} is gone")

    def _register(self, one: Running, address: str) -> None:
        self._aws("elbv2").register_targets(
            TargetGroupArn=one.service.target_group,
            Targets=[{"Id": address, "Port": one.service.port}],
        )
        self._aws("servicediscovery").register_instance(
            ServiceId=one.service.registry,
            InstanceId=one.key,
            Attributes={"AWS_INSTANCE_IPV4": address},
        )

    def _deregister(self, one: Running, address: str) -> None:
        with suppress(ClientError):
            self._aws("servicediscovery").deregister_instance(
                ServiceId=one.service.registry, InstanceId=one.key
            )
        self._aws("elbv2").deregister_targets(
            TargetGroupArn=one.service.target_group,
            Targets=[{"Id": address, "Port": one.service.port}],
        )

    def _require_image(self, image: str) -> None:
        """As ECS pulls it. Raises MachineError."""
        repository, _, tag = image.partition("/")[2].rpartition(":")
        try:
            self._aws("ecr").describe_images(
                repositoryName=repository, imageIds=[{"imageTag": tag}]
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise MachineError(f"CannotPullContainerError: {image}: {code}") from error

    def _fail(self, one: Running, why: str) -> None:
        """A task that ended by itself: ECS tries again, and gives up after a few."""
        service, region = one.service, self.settings.region
        self.say(f"{service.name}: {one.key} failed: {why}")
        moto_services.stopped(region, service, why)
        rollout = self._rollouts[service.key]
        if rollout.definition == service.definition and rollout.good != service.definition:
            rollout.failures.append(why)
            if gives_up(len(rollout.failures), service.desired):
                moto_services.fail(region, service, back_to=rollout.good, reason=why)

    def _aws(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(service, self.settings)
        return self._clients[service]
