"""What ``fab fallback.*`` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from provision.connectors.switchboard import Wrote
from provision.planning.drill import Drilled
from provision.planning.fallback import FallbackStatus, Spend, Wish, parse_wish
from provision.planning.journal import stamp
from provision.report.table import seconds, table

_UNKNOWN = "unknown"


def text(status: FallbackStatus) -> str:
    """Where traffic goes, why, what comes next, and what it cost."""
    return "\n".join(_lines(status))


def document(status: FallbackStatus) -> dict[str, Any]:
    """The same for programs; unknown is null."""
    line = status.line
    return {
        "state": status.state,
        "share": status.share,
        "since": line and line["since"],
        "reason": line and line["reason"],
        "next": line and line["next"],
        "hold_until": line and line["hold_until"],
        "trips_today": line and line["trips_today"],
        "signals": line and line["signals"],
        "wish": None if status.wish is None else _wish_document(status.wish),
        "spend": None if status.spend is None else _spend_document(status.spend),
        "error": status.error or None,
    }


def history(wishes: Sequence[Wrote], lines: Sequence[Mapping[str, Any]]) -> str:
    """What people wished, and every move of the switch, newest first."""
    rows = sorted(history_document(wishes, lines), key=lambda row: str(row["at"]), reverse=True)
    if not rows:
        return "nobody wished anything, and nothing moved"
    cells = [(_moment(row["at"]), row["who"], row["what"], row["why"]) for row in rows]
    return "\n".join(table(cells, header=("when (UTC)", "who", "what", "why")))


def history_document(
    wishes: Sequence[Wrote], lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The same for programs: one entry a wish or move."""
    return [*map(_wished, wishes), *(_moved(line) for line in lines if _moves(line))]


def drill(what: Drilled) -> str:
    """What clients had of a drill."""
    tiers = ", ".join(f"{count} {tier}" for tier, count in sorted(what.tiers.items()))
    away, back = seconds(what.to_fallback_s), seconds(what.to_primary_s)
    rows = [
        ("asked", f"{what.asked}: {tiers or 'none answered'}, {what.lost} lost"),
        ("longest gap", seconds(what.longest_gap_s)),
        ("to the fallback", away if what.to_fallback_s is not None else "never"),
        ("back to our own", back if what.to_primary_s is not None else "never"),
    ]
    return "\n".join(f"  {line}" for line in table(rows))


def drill_document(what: Drilled) -> dict[str, Any]:
    """The same for programs."""
    return asdict(what)


def _lines(status: FallbackStatus) -> Iterator[str]:
    line = status.line
    share = _UNKNOWN if status.share is None else f"{status.share} %"
    yield f"state     {status.state or _UNKNOWN}"
    yield f"traffic   {share} to our own hosts"
    if line is not None:
        yield f"since     {_moment(line['since'])}"
        yield f"why       {line['reason']}"
        yield f"next      {line['next']}"
        yield from _signals(line["signals"])
        if line["trips_today"]:
            yield f"trips     {line['trips_today']} within 24 hours"
    else:
        yield f"switch    can't be asked: {status.error or _UNKNOWN}"
    if status.wish is not None:
        yield f"wish      {_words(status.wish)}"
    if status.spend is not None:
        yield f"spend     {_spent(status.spend)}"


def _signals(signals: Mapping[str, Any]) -> Iterator[str]:
    tokens = [f"{one['outcome']} in {one['seconds']:.1f} s" for one in signals["tokens"]]
    yield f"tokens    {', '.join(tokens) or 'none asked'}; hosted: {_hosted(signals)}"
    ringing = signals["alarms_ringing"]
    hosts = signals["hosts"]
    counted = _UNKNOWN if hosts is None else f"{hosts['healthy']} healthy"
    if hosts is not None:
        others = [f"{count} {word}" for word, count in hosts.items() if word != "healthy" and count]
        counted = ", ".join([counted, *others])
    yield f"hosts     {counted}"
    yield f"alarms    {', '.join(ringing) or 'none rings'}"


def _hosted(signals: Mapping[str, Any]) -> str:
    token, good_at = signals["hosted_token"], signals["hosted_good_at"]
    if token is not None:
        return f"{token['outcome']} in {token['seconds']:.1f} s"
    return f"last good {_moment(good_at)}" if good_at else "never proven"


def _words(wish: Wish) -> str:
    until = "" if wish.expires_at is None else f" until {_moment(stamp(wish.expires_at))}"
    return f"{wish.mode} by {wish.by}{until}: {wish.reason}"


def _spent(spend: Spend) -> str:
    today = _of(spend.today, spend.daily_cap, "today")
    return f"{today}, {_of(spend.month, spend.monthly_cap, 'this month')}"


def _of(amount: Decimal | None, cap: Decimal | None, when: str) -> str:
    shown = _UNKNOWN if amount is None else f"${amount:,.2f}"
    return f"{shown} {when}" + ("" if cap is None else f" of ${cap:,.2f}")


def _wish_document(wish: Wish) -> dict[str, Any]:
    until = None if wish.expires_at is None else stamp(wish.expires_at)
    return {"mode": wish.mode, "by": wish.by, "reason": wish.reason, "expires_at": until}


def _spend_document(spend: Spend) -> dict[str, str | None]:
    return {name: None if amount is None else str(amount) for name, amount in asdict(spend).items()}


def _wished(wrote: Wrote) -> dict[str, Any]:
    wish = parse_wish(wrote.text)
    who = wish.by if wish else wrote.by.rpartition("/")[2] or _UNKNOWN
    what = f"wishes {wish.mode}" if wish else "wrote what is no wish"
    why = wish.reason if wish else wrote.text[:80]
    return {"at": stamp(wrote.at), "who": who, "what": what, "why": why}


def _moved(line: Mapping[str, Any]) -> dict[str, Any]:
    weights, mode = line["weights"], line["mode"]
    shares = f"{'/'.join(map(str, weights['was']))} to {'/'.join(map(str, weights['now']))}"
    what = f"{mode['was']} to {mode['now']}" + (
        f", {shares}" if weights["was"] != weights["now"] else ""
    )
    return {"at": line["at"], "who": "switch", "what": what, "why": line["reason"]}


def _moves(line: Mapping[str, Any]) -> bool:
    if line["event"] != "switch" or line["applied"] != "done":
        return False
    moved: bool = line["mode"]["was"] != line["mode"]["now"]
    return moved or line["weights"]["was"] != line["weights"]["now"]


def _moment(said: Any) -> str:
    return str(said).removesuffix("+00:00").removesuffix("Z").replace("T", " ")
