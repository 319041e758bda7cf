"""The table of network families: for each its hyper-parameters, what is legal, and how it looks.

A family is one row of FAMILIES and a module in `networks/`, which is imported when a network is
built. One outside the package is called "<module>:<family>": the module, found from the folder that
the command runs in, by PYTHONPATH, or installed, has a table FAMILIES like this one. Reading
parameters imports no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import (
    STRICT,
    ParameterError,
    Problem,
    check,
)

PACKAGE = __name__.partition(".")[0]

Size = Annotated[int, Field(ge=1, le=10_000)]
"""Of layers, channels, branches; more, by a slip or in a stranger's file, would fill the memory."""

LARGEST_SMALL_IMAGE = 64
"""Side in pixels; larger images take the stem of ImageNet and one stage more."""


def stages_of(image_size: int) -> int:
    """Stages of the ResNeXt family for square images of a side in pixels (Appendix B)."""
    return 4 if image_size > LARGEST_SMALL_IMAGE else 3


@dataclass(frozen=True, config=STRICT)
class NetworkParams:
    """The hyper-parameters of a network; this base is a fixed-budget network without rules.

    Attributes:
        name: key in FAMILIES.
    """

    name: str

    @property
    def file(self) -> str:
        """The family's module, as `jobs.identity` names code: of ours the file in the package."""
        module = FAMILIES[self.name].implementation.partition(":")[0]
        package, _, rest = module.partition(".")
        return f"{rest.replace('.', '/')}.py" if package == PACKAGE else module

    @property
    def subnetworks(self) -> int:
        """The number of sub-networks, K in the paper."""
        return 1

    @property
    def released(self) -> bool:
        """Whether the network comes with weights that others have trained."""
        return False

    def problems(self, image_size: int) -> Iterator[Problem]:
        """What no single hyper-parameter shows: the rules between them and the image size."""
        yield from ()


@dataclass(frozen=True, config=STRICT)
class BranchedParams(NetworkParams):
    """L residual blocks with C branches; W and B are the widths of the first stage."""

    L: Size
    W: Size
    B: Size
    C: Size

    def problems(self, image_size: int) -> Iterator[Problem]:
        """L is a multiple of the stages, and the last of them has pixels."""
        stages = stages_of(image_size)
        if self.L % stages:
            yield (
                "L",
                f"{self.L} must be a multiple of {stages}, the stages for {image_size} pixels",
            )
        yield from _too_small(image_size, stages)


@dataclass(frozen=True, config=STRICT)
class ResNeXtParams(BranchedParams):
    """Pre-activation ResNeXt."""

    name: Literal["resnext"]


@dataclass(frozen=True, config=STRICT)
class ThinParams(BranchedParams):
    """K thin sub-networks, which have `k C / K` branches."""

    K: Size

    @property
    def subnetworks(self) -> int:
        """The hyper-parameter K."""
        return self.K

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Branches are K equal parts."""
        yield from super().problems(image_size)
        if self.C % self.K:
            yield "C", f"{self.C} branches must be a multiple of K={self.K} sub-networks"


@dataclass(frozen=True, config=STRICT)
class IResNeXtParams(ThinParams):
    """I-ResNeXt (Section 3.1): ResNeXt with K thin sub-networks.

    Attributes:
        batch_norm: layers for each sub-network, or one "shared" by all (Figure 3a).
    """

    name: Literal["i-resnext"]
    batch_norm: Literal["independent", "shared"] = "independent"


SideBySide = ResNeXtParams | IResNeXtParams
"""Those with all branches of a block in one convolution, so that Figure 3b can compare them."""


@dataclass(frozen=True, config=STRICT)
class ISResNeXtParams(ThinParams):
    """IS-ResNeXt (Section 3.2): K thin sub-networks from one pass."""

    name: Literal["is-resnext"]

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Features are K equal parts as well."""
        yield from super().problems(image_size)
        if self.W % self.K:
            yield "W", f"width {self.W} must be a multiple of K={self.K} sub-features"


@dataclass(frozen=True, config=STRICT)
class ShallowResNeXtParams(BranchedParams):
    """ResNeXt with a classifier after every block but the first (Section 4.1).

    Attributes:
        only: k for the k-th shallow sub-network trained alone, None for all of them jointly.
    """

    name: Literal["shallow-resnext"]
    only: Size | None = None

    @property
    def subnetworks(self) -> int:
        """One for every block but the first."""
        return self.L - 1 if self.only is None else 1

    def problems(self, image_size: int) -> Iterator[Problem]:
        """There are L - 1 sub-networks to choose from."""
        yield from super().problems(image_size)
        if self.only is not None and self.only >= self.L:
            yield "only", f"{self.only}: there are sub-networks 1 ... {self.L - 1}"


@dataclass(frozen=True, config=STRICT)
class MSDNetParams(NetworkParams):
    """MSDNet (Huang et al., 2018): K exits, the first after `base` layers, the others `step` later.

    Attributes:
        channels: width of the first column.
        growth: channels each layer adds.
        growth_factors: by how much width and growth are multiplied at each scale; their number is
            the number of scales.
        bottleneck_factors: width of a 1x1 bottleneck over the channels it leads to, for each scale.
        head: the paper's "one-layer" head, or the "original" one.
    """

    name: Literal["msdnet"]
    K: Size
    base: Size
    step: Size
    channels: Size
    growth: Size
    growth_factors: tuple[Size, ...]
    bottleneck_factors: tuple[Size, ...]
    head: Literal["one-layer", "original"] = "one-layer"

    @property
    def subnetworks(self) -> int:
        """The hyper-parameter K."""
        return self.K

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Growth in two halves, and one factor for each scale."""
        if self.growth % 2:
            yield "growth", f"{self.growth} must be even: half is from the finer scale"
        scales = len(self.growth_factors)
        if scales < 1 or scales != len(self.bottleneck_factors):
            yield "growth_factors", "they and bottleneck_factors need one number for each scale"
        yield from _too_small(image_size, scales)


@dataclass(frozen=True, config=STRICT)
class ResNetParams(NetworkParams):
    """ResNet for small images (He et al., 2016): 20, 32, 44, 56, 110 layers in the publication."""

    name: Literal["resnet"]
    depth: Size
    width: Size = 16

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Three stages of n blocks of two layers, a first and a last layer."""
        yield from _wrong_depth(self.depth, rest=2)
        yield from _too_small(image_size, 3)


@dataclass(frozen=True, config=STRICT)
class DenseNetBCParams(NetworkParams):
    """DenseNet-BC for small images (Huang et al., 2017): depth 100, 190, 250, growth 12, 24, 40.

    Attributes:
        growth: channels each layer adds, k in the publication.
        compression: what fraction of the channels a transition keeps.
    """

    name: Literal["densenet-bc"]
    depth: Size
    growth: Size
    compression: Annotated[float, Field(gt=0, le=1)] = 0.5

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Three stages of n layers of two convolutions; the first, two transitions, the last."""
        yield from _wrong_depth(self.depth, rest=4)
        # A transition follows a layer, so it has a channel more than the growth at least.
        if self.compression * (self.growth + 1) < 1:
            least = f"at least 1 / {self.growth + 1}"
            yield "compression", f"{self.compression} leaves a transition without channels: {least}"
        yield from _too_small(image_size, 3)


@dataclass(frozen=True, config=STRICT)
class TorchvisionParams(NetworkParams):
    """A network of torchvision for large images.

    Attributes:
        arch: torchvision's name of the model, such as resnet50, resnext50_32x4d, densenet121.
        weights: None for fresh ones, or torchvision's name of released ones, such as DEFAULT.
    """

    name: Literal["torchvision"]
    arch: str
    weights: str | None = None

    @property
    def released(self) -> bool:
        """If weights are named."""
        return self.weights is not None


def _wrong_depth(depth: int, rest: int) -> Iterator[Problem]:
    if depth < 6 + rest or depth % 6 != rest:
        examples = ", ".join(str(6 * n + rest) for n in range(1, 6))
        yield "depth", f"{depth} must be 6 n + {rest}: {examples}, ..."


def _too_small(image_size: int, stages: int) -> Iterator[Problem]:
    """Each stage but the first halves the resolution."""
    smallest = 2 ** max(0, stages - 1)
    if image_size < smallest:
        yield (
            "",
            f"images of {image_size} pixels are too small for {stages} stages: at least {smallest}",
        )


class FamilyError(ParameterError):
    """A family outside the package cannot be found or used."""


def refuse_unless_trusted(name: object, path: Path, trust: bool) -> None:
    """Let a data file name a family outside the package only if its user trusts the file.

    Raises:
        FamilyError: otherwise, since the family's module would be imported and its code run.
    """
    if ":" in str(name) and not trust:
        raise FamilyError(
            f"{path} names a network family outside the package, {name!r}: to read it, the code of "
            "that module is run. If you trust the file and the module, say so with --trust "
            "(in Python trust=True)"
        )


class Family(NamedTuple):
    """One row of the table.

    Attributes:
        params: the hyper-parameters, with the family's rules.
        implementation: "<module>:<what builds the network>", imported by `networks.build` only.
        label: the family's name in tables and legends.
        colour: of its lines and points, in a notation of Matplotlib.
        marker: one of Matplotlib's.
    """

    params: type[NetworkParams]
    implementation: str
    label: str
    colour: str
    marker: str

    def load(self) -> Callable[..., Any]:
        """What builds the network; imports its module.

        Raises:
            FamilyError: if it cannot be imported from outside the package.
        """
        module, _, name = self.implementation.partition(":")
        try:
            builder: Callable[..., Any] = getattr(import_module(module), name)
        except (AttributeError, ImportError, SyntaxError) as error:
            if module.startswith(f"{PACKAGE}."):
                raise
            raise FamilyError(
                f"family {self.label!r}: {self.implementation!r} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
        return builder


class Table(dict[str, Family]):
    """Families by name; one outside the package is looked up, and added, when it is named first."""

    def __missing__(self, name: str) -> Family:
        if ":" not in name:
            raise ParameterError(
                f"there is no family {name!r}; choose from {', '.join(self)}, or name one of "
                "yours: <module>:<family>"
            )
        self[name] = self._from_outside(name)
        return self[name]

    def _from_outside(self, name: str) -> Family:
        module, _, key = name.partition(":")
        see_current_folder()
        try:
            table = getattr(import_module(module), "FAMILIES", None)
        except Exception as error:
            raise FamilyError(
                f"family {name!r}: module {module!r} cannot be imported from {Path.cwd()} or "
                f"PYTHONPATH: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(table, Mapping) or key not in table:
            choices = ", ".join(table) if isinstance(table, Mapping) else "no table FAMILIES"
            raise FamilyError(f"module {module!r} has no family {key!r}; it has {choices}")
        row: Family = table[key]
        if problems := list(self._problems(row)):
            raise FamilyError("\n".join(f"FAMILIES[{key!r}] of {module!r}: {p}" for p in problems))
        return row

    def _problems(self, row: Any) -> Iterator[str]:
        """What is wrong with a row of a table outside the package."""
        if not isinstance(row, Family):
            yield f"a Family is needed, not {row!r}"
            return
        fields = vars(row.params).get("__dataclass_fields__")
        if fields is None or not issubclass(row.params, NetworkParams):
            yield f"params: {row.params!r} is not a @dataclass(frozen=True) of NetworkParams"
        yield from (f"{key}: {problem}" for key, problem in look_problems(row.colour, row.marker))
        if row.label in ["", *(other.label for other in self.values())]:
            yield f"label: {row.label!r} is empty or another family's"


# The colours are those of seaborn's palette "colorblind".
FAMILIES = Table(
    {
        "resnext": Family(
            ResNeXtParams, "anyslice.networks.resnext:resnext", "ResNeXt", "#CC78BC", "P"
        ),
        "i-resnext": Family(
            IResNeXtParams, "anyslice.networks.resnext:IResNeXt", "I-ResNeXt", "#D55E00", "o"
        ),
        "is-resnext": Family(
            ISResNeXtParams, "anyslice.networks.is_resnext:ISResNeXt", "IS-ResNeXt", "#0173B2", "s"
        ),
        "shallow-resnext": Family(
            ShallowResNeXtParams,
            "anyslice.networks.shallow:ShallowResNeXt",
            "Shallow ResNeXt",
            "#949494",
            "v",
        ),
        "msdnet": Family(MSDNetParams, "anyslice.networks.msdnet:MSDNet", "MSDNet", "#DE8F05", "D"),
        "resnet": Family(ResNetParams, "anyslice.networks.resnet:ResNet", "ResNet", "#029E73", "^"),
        "densenet-bc": Family(
            DenseNetBCParams, "anyslice.networks.densenet:DenseNetBC", "DenseNet-BC", "#CA9161", "X"
        ),
        "torchvision": Family(
            TorchvisionParams,
            "anyslice.networks.reference:TorchvisionNetwork",
            "torchvision",
            "#FBAFE4",
            "*",
        ),
    }
)


def parse_network(value: Any) -> NetworkParams:
    """The hyper-parameters that a mapping in a file gives, as the dataclass of its family.

    Raises:
        ParameterError: if the name is not that of a family, or a hyper-parameter is not one of it.
    """
    if isinstance(value, NetworkParams):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ParameterError("a mapping with the name of a network family is needed")
    return check(FAMILIES[value["name"]].params, value, f"network {value['name']}")


def labelled(label: str) -> Family:
    """The family that has this name in tables.

    Raises:
        ParameterError: if none of the package has, nor one outside it that was named before.
    """
    for family in FAMILIES.values():
        if family.label == label:
            return family
    raise ParameterError(f"no network family is called {label!r} in tables")


def see_current_folder() -> None:
    """Let modules in the current folder be imported, after all others."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def module_file(name: str) -> Path | None:
    """The source file of a module outside the package, found without importing it; None if none."""
    see_current_folder()
    places: list[str] | None = sys.path
    spec, parts = None, name.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def look_problems(colour: object, marker: object) -> Iterator[Problem]:
    """Whether Matplotlib knows a colour and a marker; which of them it does not know, and why."""
    from matplotlib.colors import is_color_like
    from matplotlib.markers import MarkerStyle

    if not is_color_like(colour):
        yield "colour", f"{colour!r} is no colour of Matplotlib"
    if not isinstance(marker, str) or marker not in MarkerStyle.markers:
        yield "marker", f"{marker!r} is no marker of Matplotlib"
