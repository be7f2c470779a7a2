"""Fabric tasks: parse flags, assemble, ask, print. ``fab --list`` shows them all."""

from invoke.collection import Collection

from playbooks import config, keys
from playbooks.deploy import deploy
from playbooks.plan import plan
from playbooks.rehearse import rehearse

ns = Collection(deploy, plan)
ns.add_collection(config.ns)
ns.add_collection(keys.ns)
ns.add_task(rehearse)
