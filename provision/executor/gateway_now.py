"""What the gateway shall be and what it is: rendered here, asked of AWS at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from provision.catalog.models import model as model_of
from provision.catalog.prices.book import PriceBook
from provision.config.environment import Environment
from provision.config.hosted import key_secrets
from provision.config.timeouts import chain
from provision.connectors.gateway import GatewayService
from provision.connectors.protocols import Cloud
from provision.planning.actions import ImageSpec
from provision.planning.gateway import DOCUMENT, Gateway, GatewayNow, GatewayTarget
from provision.render.front import gateway_config
from provision.render.gateway import gateway_document
from provision.render.gateway_image import gateway_files, gateway_image
from provision.render.gateway_task import stop_timeout_s
from provision.render.release import front_image

_CALLS_AT_ONCE = 8
# A task fetches its image and starts LiteLLM: two minutes. ECS gives a revision up after three
# tasks that did not come, and says so itself before this runs out.
_COMES_S = 900.0


def look(
    environment: Environment, *, cloud: Cloud, service: GatewayService, book: PriceBook
) -> Gateway:
    """The gateway of *environment*; *book* has what hosted tokens cost. Changes nothing.

    Raises CloudError when AWS does not answer, OutputsMissing when ``pulumi up`` never made it, and
    ConfigError for a provider whose price nobody knows.
    """
    target = target_of(environment, repository_url=cloud.outputs().repository_url, book=book)
    secrets = [*key_secrets(environment).values()]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        newest, stands = pool.submit(service.newest), pool.submit(service.service)
        digest = pool.submit(cloud.image_digest, target.image.tag)
        filled = pool.map(service.filled, secrets)
        runs = service.definition(stands.result().definition)
        now = GatewayNow(
            newest=newest.result(),
            runs=runs,
            service=stands.result(),
            mirrored=digest.result() is not None,
            secrets=dict(zip(secrets, filled, strict=True)),
        )
    return Gateway(target, now)


def target_of(environment: Environment, *, repository_url: str, book: PriceBook) -> GatewayTarget:
    """What ``pulumi up`` would describe now, with the image that belongs to it."""
    image = gateway_image(environment, repository_url)
    times = chain(environment.engine)
    served = model_of(environment.model.name)
    return GatewayTarget(
        image=ImageSpec(str(image["target"]), str(image["source"]), image["dockerfile"]),
        files={name: _bytes(content) for name, content in gateway_files(environment).items()},
        front=front_image(environment, repository_url),
        told={
            DOCUMENT: gateway_document(environment, model=served, book=book),
            "NGINX_CONF": gateway_config(environment.front, chain=times),
        },
        tasks=environment.fallback.tasks,
        steady_s=_COMES_S + times.deregistration_delay_s + stop_timeout_s(environment),
    )


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
