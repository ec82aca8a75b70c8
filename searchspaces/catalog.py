"""Every named network and space, gathered from the files of their families.

To add a family of ours: a module with `NETWORKS` and `SPACES`, and its name in `FAMILIES`; `LISTINGS`, if a published
table lists the networks of a space. A family of another
package: the same module, under an entry point of the group `nas.families`.
"""

from __future__ import annotations

import difflib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from traceback import extract_tb
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from searchspaces import (
    classic,
    densenet,
    documents,
    inception,
    inception_resnet,
    inception_space,
    inception_v3,
    inception_v4,
    lenet,
    macro,
    mnasnet,
    mobilenet,
    mobilenet_v3,
    nasbench_macro,
    nasnet,
    nasnet_space,
    nin,
    preact,
    residual_spaces,
    resnet,
    resnet_cifar,
    resnext,
    shufflenet,
    vgg,
)
from searchspaces.architecture import Architecture
from searchspaces.axes import Space
from searchspaces.errors import InvalidSpace, SearchSpaceError
from searchspaces.holes import Hole
from searchspaces.listing import Listing
from searchspaces.network import Network
from searchspaces.plugins import Names, Plugins

FAMILIES: tuple[ModuleType, ...] = (
    *(lenet, classic, nin),
    *(resnet, resnet_cifar, preact, resnext, residual_spaces),
    *(densenet, mobilenet, mobilenet_v3, mnasnet, shufflenet, nasnet, nasnet_space, vgg),
    *(inception, inception_v3, inception_v4, inception_resnet, inception_space),
    *(macro, nasbench_macro),
)

SpaceFactory = Callable[..., Space]  # (pixels a side) -> Space; options are further arguments that are True or False
T = TypeVar("T")

_networks: dict[str, Network] = {}
_homes: dict[str, str] = {}
_spaces: dict[str, SpaceFactory] = {}
_listings: dict[str, Listing] = {}


def _add(name: str, family: Any) -> None:
    """All of a family, or nothing of it. Raises `InvalidSpace` where a name is taken."""
    networks = [(network.name, network) for network in getattr(family, "NETWORKS", ())]
    spaces = getattr(family, "SPACES", {})
    for found, known in (([name for name, _ in networks], _networks), (list(spaces), _spaces)):
        for each, count in Counter(found).items():
            if count > 1 or each in known:
                raise InvalidSpace(f"{name}: the name {each!r} is taken already")
    _networks.update(networks)
    _homes.update((each, family.__name__.rpartition(".")[2]) for each, _ in networks)
    _spaces.update(spaces)
    _listings.update(getattr(family, "LISTINGS", {}))


for _family in FAMILIES:
    _add(_family.__name__, _family)
_plugins = Plugins(_add)
documents.later(_plugins.load)  # a document may name a block of theirs

NETWORKS: Mapping[str, Network] = Names(_networks, _plugins.load)
FAMILY_OF: Mapping[str, str] = Names(_homes, _plugins.load)
SPACES: Mapping[str, SpaceFactory] = Names(_spaces, _plugins.load)
LISTINGS: Mapping[str, Listing] = Names(_listings, _plugins.load)  # by the name of a space


def troubles() -> tuple[str, ...]:
    """A line for each family of another package that was asked for and is broken."""
    return tuple(_plugins.troubles)


def find_space(name: str, image: int) -> Space:
    """The space of a name for images of so many pixels: a known one, or `module:attribute` of a module of yours.

    Options of a space follow its name, as in "resnext+isocost". Raises `InvalidSpace` for a name that is none, and for
    what goes wrong in a module of yours.
    """
    if image < 1:
        raise InvalidSpace(f"space {name!r} for images of {image} pixels a side; allowed is 1 or more")
    plain, *options = name.split("+")
    factory = SPACES[plain] if plain in SPACES else imported(plain, "space", SPACES)
    if isinstance(factory, Space):
        if options:
            raise InvalidSpace(f"space {plain!r} has no options; {name!r} asks for {', '.join(options)}")
        space = copy(factory)
    elif callable(factory):
        space = _made(factory, plain, options, image)
    else:
        raise InvalidSpace(f"{name}: a {type(factory).__name__}; expected a Space, or a function from pixels to one")
    if not isinstance(space.template, (Architecture, Hole)):
        raise InvalidSpace(f"{name}: its template is a {type(space.template).__name__}, not an Architecture")
    space.name = name  # by which a stored study finds it again
    return space


def find_network(name: str) -> Network:
    """The network of a name: a known one, or `module:attribute` of a module of yours. Raises as `find_space`."""
    network = NETWORKS[name] if name in NETWORKS else imported(name, "network", NETWORKS)
    if not isinstance(network, Network):
        raise InvalidSpace(f"{name}: a {type(network).__name__}; expected a Network")
    return network


def _made(factory: SpaceFactory, name: str, options: list[str], image: int) -> Space:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        parameters = MappingProxyType({})
    allowed = [key for key, parameter in parameters.items() if parameter.default is False]
    for option in options:
        if option not in allowed:
            has = f"its options: {', '.join(allowed)}" if allowed else "it has none"
            raise InvalidSpace(f"space {name!r} has no option {option!r}; {has}")
    try:
        space = factory(image, **dict.fromkeys(options, True))
    except SearchSpaceError:
        raise
    except Exception as error:
        raise InvalidSpace(f"{name}({image}): {_place(error)}") from error
    if not isinstance(space, Space):
        raise InvalidSpace(f"{name}: gives a {type(space).__name__}, not a Space")
    return space


def imported(name: str, what: str, known: Iterable[str]) -> Any:
    """What `module:attribute` names. Raises `InvalidSpace` where there is none."""
    module, colon, attribute = name.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, known) or known
        hints = "".join(f"; {line}" for line in troubles())
        raise InvalidSpace(f"unknown {what} {name!r}; known: {', '.join(near)}; or give module:attribute{hints}")
    if not module or not attribute or module.startswith("."):
        raise InvalidSpace(f"{what} {name!r}; give module:attribute, as in my_{what}s:tiny")
    try:
        return attrgetter(attribute)(import_home(name))
    except AttributeError:
        raise InvalidSpace(f"{name}: module {module!r} has no {attribute!r}") from None


def import_home(name: str) -> ModuleType:
    """The module of `module:attribute`. Raises `InvalidSpace` in one line, with the place where the module breaks."""
    module = name.partition(":")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InvalidSpace(f"{name}: importing {module!r} fails: {_place(error)}") from error
        raise InvalidSpace(f"{name}: {error}; it is looked for as `import` does") from None
    except (Exception, SystemExit) as error:
        raise InvalidSpace(f"{name}: importing {module!r} fails: {_place(error)}") from error


def _place(error: BaseException) -> str:
    """The error, and the innermost line of a file that is not ours or Python's: where its author can look."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return message  # it says where itself
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    theirs = [frame for frame in frames if Path(frame.filename).parent != Path(__file__).parent] or frames
    return f"{message} ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else message
