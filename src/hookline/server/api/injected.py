"""What routes are given besides their parameters, named once for all of them."""

from typing import Any, TypeAlias

from litestar import Request
from litestar.di import NamedDependency

from hookline.send.engine import Engine
from hookline.send.intake import Limits
from hookline.server.keys import KeyRing

__all__ = ["Call", "TheEngine", "TheKeys", "TheLimits"]

Call: TypeAlias = Request[Any, Any, Any]
TheEngine: TypeAlias = NamedDependency[Engine]
TheKeys: TypeAlias = NamedDependency[KeyRing]
TheLimits: TypeAlias = NamedDependency[Limits]
