"""Fabric tasks: parse flags, assemble, ask, print. ``fab --list`` shows them all."""

from invoke.collection import Collection

from playbooks import config, cost, fallback, keys, lock
from playbooks.benchmark import benchmark
from playbooks.deploy import deploy
from playbooks.doctor import doctor
from playbooks.history import history
from playbooks.instance_refresh import instance_refresh
from playbooks.logs import logs
from playbooks.plan import plan
from playbooks.rehearse import rehearse
from playbooks.releases import diff, releases
from playbooks.rollback import rollback
from playbooks.rolling_restart import rolling_restart
from playbooks.setup import setup
from playbooks.status import status

ns = Collection(
    benchmark,
    deploy,
    diff,
    doctor,
    history,
    instance_refresh,
    logs,
    plan,
    rehearse,
    releases,
    rollback,
    rolling_restart,
    setup,
    status,
)
ns.add_collection(config.ns)
ns.add_collection(cost.ns)
ns.add_collection(fallback.ns)
ns.add_collection(keys.ns)
ns.add_collection(lock.ns)
