"""Fabric tasks: parse flags, assemble, ask, print. ``fab --list`` shows them all."""

from invoke import Collection

ns = Collection()
