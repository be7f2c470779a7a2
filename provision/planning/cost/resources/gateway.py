"""The gateway: tasks on Fargate, their name, their tables, and what passes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.catalog.prices.price import MILLION, Price
from provision.config.environment import Egress
from provision.config.hosted import key_secrets
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, Pricer, line
from provision.planning.cost.resources.balancing import NOWHERE
from provision.planning.cost.resources.hosted import hosted_requests
from provision.planning.cost.resources.switch import looks
from provision.planning.cost.usage import SECONDS_PER_HOUR

CPU_UNITS, MIB = 1024, 1024
CLIENT_KEYS_S, PROVIDER_KEYS_S = 15, 60  # a task looks for changed keys this often
LOOKED_UP_S = 10  # a front of a host believes the gateway's name so long
METRICS = 6  # that the gateways send: spend, failures, refusals, old answers, two caps
WRITES = 2  # of the counter for a hosted request: reserved, settled
COUNTER_KB = 3  # the item of a month at its end; each write counts all of it
ANSWER_KB = 2  # an old answer that is kept


def service(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """As many tasks as the environment wants: Pulumi makes the service empty, `fab deploy` fills
    it."""
    fallback = month.environment.fallback
    hours = fallback.tasks * HOURS_PER_MONTH
    cpus, gib = Decimal(fallback.task_cpu) / CPU_UNITS, Decimal(fallback.task_memory_mib) / MIB
    note = f"{fallback.tasks} tasks"
    yield month.line(
        resource, "processors", "vCPU-hour", hours * cpus, "fargate.vcpu_hour", note=note
    )
    yield month.line(resource, "memory", "GB-hour", hours * gib, "fargate.gb_hour", note=note)


def gateway(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """What its tasks ask, tell and pass on; the component stands for them."""
    tasks = month.environment.fallback.tasks
    secrets = len(key_secrets(month.environment))
    each = Decimal(1) / CLIENT_KEYS_S + Decimal(secrets) / PROVIDER_KEYS_S
    asked = tasks * HOURS_PER_MONTH * SECONDS_PER_HOUR * each
    yield month.line(
        *(resource, "tasks ask for keys", "10k calls", asked / 10_000, "secrets.calls_10k"),
        note=f"client keys every {CLIENT_KEYS_S} s, providers' every {PROVIDER_KEYS_S} s",
    )
    item = "cloudwatch.metric_month"
    yield month.line(resource, "metrics", "metric-month", METRICS, item, assumed=True)
    if month.environment.network.egress is Egress.NAT:
        yield from _through_nat(resource, month)


def _through_nat(resource: Declared, month: Month) -> Iterator[Line]:
    """Prompts out, answers in; what goes out pays the first tier to the internet as well."""
    usage = month.usage
    prompts = usage.prompts_gb * usage.fallback_share
    both = prompts + usage.answers_gb * usage.fallback_share
    if not both:
        return
    yield month.line(resource, "hosted traffic through NAT", "GB", both, "nat.gb", assumed=True)
    tiers = month.book.egress.get(month.region, ())
    price = Price(tiers[0].usd, "GB", tiers[0].origin or NOWHERE) if tiers else None
    lacking = "" if price else f"no price for data out of {month.region} is known"
    yield line(
        *(resource, "prompts to the internet", "GB", prompts, price), assumed=True, note=lacking
    )


def names(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """A private zone, and at most so many questions for a name of it."""
    yield month.line(resource, "zone of names", "zone-month", 1, "dns.zone_month")
    most = month.hosts * month.usage.seconds / LOOKED_UP_S
    spilled = month.usage.requests * month.usage.fallback_share
    asked = min(most, spilled) / MILLION
    yield month.line(resource, "look-ups", "1M queries", asked, "dns.queries_1m", assumed=True)


def table(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """The counter is written twice for a hosted request and read in each look of the switch; a
    table that forgets has old answers, at most one for each hosted request. Sizes are small."""
    requests = hosted_requests(month)
    written, read = requests * WRITES * COUNTER_KB, looks(month)
    if "ttl" in resource.inputs:
        written, read = requests * ANSWER_KB, Decimal(0)
    item = "dynamodb.write_1m"
    yield month.line(resource, "writes", "1M units", written / MILLION, item, assumed=True)
    if read:
        item = "dynamodb.read_1m"
        yield month.line(resource, "reads", "1M units", read / MILLION, item, assumed=True)


PRICED: Mapping[str, Pricer] = {
    "aws:ecs/service:Service": service,
    "llm-fleet:infra:Gateway": gateway,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": names,
    "aws:dynamodb/table:Table": table,
}
