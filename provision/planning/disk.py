"""Disk that a host needs: on the cache volume for the model, on the root volume for the images."""

from __future__ import annotations

from dataclasses import dataclass

from provision.catalog.model import Model
from provision.config.environment import FleetSettings, ModelCacheSettings

RELEASES_KEPT = 5

# The engine's image took 28.6 GB unpacked in December 2025 (vllm-project/vllm pull request 22377);
# two of them, because the one before stays for the rollback and shares no layer with the next.
_IMAGE_GIB = 27.0
_IMAGES = 2
_FRONT_GIB = 0.3
_CACHES_GIB = 4.0  # torch.compile, Triton, FlashInfer and PTX caches, of two engine versions
_RELEASE_GIB = 0.01  # rendered files and the host program
_HEADROOM = 0.15


@dataclass(frozen=True, slots=True)
class Disk:
    """GiB by purpose."""

    weights_gib: float
    caches_gib: float
    images_gib: float
    releases_gib: float

    @property
    def cache_volume_gib(self) -> float:
        """What the cache volume must hold, with headroom."""
        return _rounded((self.weights_gib + self.caches_gib) * (1 + _HEADROOM))

    @property
    def root_volume_gib(self) -> float:
        """What the root volume must hold beside the operating system, with headroom."""
        return _rounded((self.images_gib + self.releases_gib) * (1 + _HEADROOM))

    @property
    def total_gib(self) -> float:
        """Both volumes together."""
        return _rounded(self.cache_volume_gib + self.root_volume_gib)


def disk_for(model: Model) -> Disk:
    """What serving *model* takes: its files have the size that the GPU holds."""
    return Disk(
        weights_gib=model.weights_gib,
        caches_gib=_CACHES_GIB,
        images_gib=_IMAGES * _IMAGE_GIB + _FRONT_GIB,
        releases_gib=RELEASES_KEPT * _RELEASE_GIB,
    )


def too_small(disk: Disk, *, cache: ModelCacheSettings, fleet: FleetSettings) -> tuple[str, ...]:
    """Which of an environment's volumes can't hold it, each with the setting to change."""
    found = []
    if cache.size_gib < disk.cache_volume_gib:
        found.append(
            f"model_cache.size_gib is {cache.size_gib}, the model and its caches need "
            f"{disk.cache_volume_gib:g}"
        )
    if fleet.root_volume_gib < disk.root_volume_gib:
        found.append(
            f"fleet.root_volume_gib is {fleet.root_volume_gib}, two engine images and five "
            f"releases need {disk.root_volume_gib:g} beside the operating system"
        )
    return tuple(found)


def _rounded(gib: float) -> float:
    return round(gib, 1)
