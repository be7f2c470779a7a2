"""How the host program is called."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Every command with its options. *--replica* means that engine, and not the whole host."""
    parser = argparse.ArgumentParser(prog="host.pyz", description="llm-fleet on this host")
    commands = parser.add_subparsers(dest="command", required=True)
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--replica", type=int, help="this engine only; the others go on")

    apply = commands.add_parser("apply", parents=[one], help="bring a release onto this host")
    apply.add_argument("--release", required=True)
    apply.add_argument("--fetch", action="store_true", help="take its folder from the bucket")
    apply.add_argument("--restart", action="store_true", help="start its containers anew")
    apply.add_argument("--first", action="store_true", help="only where no other release runs")
    apply.add_argument("--away-since", type=float, help="only while the mark that began then holds")
    ahead = commands.add_parser("prepare", help="bring here what a release needs; nothing starts")
    ahead.add_argument("--release", required=True)
    ahead.add_argument("--fetch", action="store_true", help="take its folder from the bucket")
    away = commands.add_parser(
        "maintain", parents=[one], help="take no traffic for a while; again renews it"
    )
    away.add_argument("--lease", type=float, required=True, help="seconds until it ends by itself")
    away.add_argument("--why", required=True)
    empty = commands.add_parser(
        "drain", parents=[one], help="wait until no engine has anything to do"
    )
    empty.add_argument("--quiet", type=float, default=2.0, help="seconds without any work")
    empty.add_argument("--timeout", type=float, required=True, help="seconds")
    commands.add_parser("resume", parents=[one], help="end the maintenance")
    watched = commands.add_parser(
        "bake", parents=[one], help="watch that it stays ready for a release"
    )
    watched.add_argument("--release", required=True)
    watched.add_argument("--seconds", type=float, required=True)
    follow = commands.add_parser(
        "wait", parents=[one], help="follow until the agent is ready for a release"
    )
    follow.add_argument("--release", required=True)
    follow.add_argument("--timeout", type=float, default=1200.0, help="seconds")
    asked = commands.add_parser("ask", help="ask this host's front; the key on stdin")
    asked.add_argument("--model", help="default: what the current release is called")
    asked.add_argument("--completion", action="store_true", help="a base model: no messages")
    asked.add_argument("--timeout", type=float, required=True, help="seconds")
    commands.add_parser("status", help="the agent's status document")
    commands.add_parser("seed-weights", help="model hub -> cache and bucket; request on stdin")
    commands.add_parser("mirror", help="images -> the account's registry; request on stdin")
    prove = commands.add_parser("prove-gpu", help="are the GPUs visible inside a container?")
    prove.add_argument("--image", required=True)
    prove.add_argument("--count", type=int, required=True)
    commands.add_parser("boot", help="what a host does on every boot")
    commands.add_parser("serve", help="the agent")
    return parser
