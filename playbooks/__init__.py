"""Fabric tasks: parse flags, assemble, ask, print. ``fab --list`` shows them all."""

from invoke.collection import Collection

from playbooks import config, keys
from playbooks.plan import plan

ns = Collection(plan)
ns.add_collection(config.ns)
ns.add_collection(keys.ns)
