"""One run: a world is made from a seed, left to itself for some days, healed, drained and examined."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.simulation.apps import Apps
from tests.simulation.invariants import examine
from tests.simulation.ledger import Ledger
from tests.simulation.loop import Deadlock, Livelock, VirtualLoop, now_us, run
from tests.simulation.operators import Operator
from tests.simulation.process import Process, Wall
from tests.simulation.receivers import Receivers
from tests.simulation.traffic import Publisher
from tests.simulation.trouble import Trouble

from hookline.core.instants import DAY, HOUR
from hookline.core.unsubscribing import Rules
from hookline.send.dispatch import Limits

__all__ = ["Result", "Scale", "World", "draw_scale", "simulate"]

DRAIN_DAYS = 20
FEW_TIMEOUTS = Rules(timeouts=20, span_us=HOUR, failing_days=2)
DEFAULT_LIMITS = Limits()
LONGEST_PAUSE_S = 0.004  # the store's threads are done within that


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a world is, and how rough."""

    days: float
    integrations: int
    organizations: int
    publishers: int
    publish_gap_s: float
    change_gap_s: float
    trouble_gap_s: float
    limits: Limits = DEFAULT_LIMITS
    rules: Rules = FEW_TIMEOUTS


def draw_scale(dice: Random, *, small: bool = False) -> Scale:
    """One of several kinds of world; a small one is played in half a second."""
    limits = dice.choice([Limits(), Limits(max_in_flight=20, max_fresh=8, max_lease=16)])
    if small:
        return Scale(0.15, 6, 2, 3, 300, 400, 600, limits)
    match dice.choice(["calm", "rough", "rough", "long", "flood", "crowd"]):
        case "calm":
            return Scale(1, 10, 3, 3, 1800, 3600, 1e9, limits)
        case "rough":
            return Scale(0.5, 8, 2, 3, 900, 1200, 1800, limits)
        case "long":
            return Scale(3.5, 6, 2, 2, 2 * 3600, 6 * 3600, 8 * 3600, limits)
        case "crowd":
            return Scale(0.1, 500, 40, 4, 600, 600, 1200, limits)
        case _:
            return Scale(0.02, 8, 3, 5, 20, 200, 150, limits)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    seed: int
    complaints: list[str]
    digest: str
    kinds: Counter[str]
    tail: list[str]
    attempts: int
    events: int

    @property
    def report(self) -> str:
        """The end of the trace, what is wrong, and how to see it again."""
        return "\n".join(
            [
                *self.tail,
                *(f"VIOLATED  {each}" for each in self.complaints[:20]),
                f"seed {self.seed}; again: python -m tests.simulation --first {self.seed} --seeds 1",
            ]
        )


class World:
    """Everything in a run."""

    def __init__(self, seed: int, scale: Scale, folder: Path):
        self.seed, self.scale = seed, scale
        self.path = folder / "simulated.db"
        self.days = scale.days
        self.organizations = [f"org-{n}" for n in range(scale.organizations)]
        self.ledger, self.apps, self.receivers, self.wall = Ledger(), Apps(), Receivers(), Wall()
        self.closing = asyncio.Event()
        self.recovered: set[int] = set()  # integrations that must have everything in the end
        self.lives = 0
        self.process: Process

    def dice(self, what: str) -> Random:
        """Chance for one purpose, so that one does not disturb the other."""
        return Random(f"{self.seed} {what}")

    async def start(self) -> None:
        """Begin the next life of the process."""
        self.lives += 1
        self.process = Process(
            self.lives,
            self.path,
            ledger=self.ledger,
            receivers=self.receivers,
            wall=self.wall,
            seed=str(self.seed),
            limits=self.scale.limits,
            rules=self.scale.rules,
        )
        await self.process.start()

    async def play(self) -> None:
        """Live through the days, then heal and drain."""
        await self.start()
        scale = self.scale
        operator = Operator(self, scale.change_gap_s, self.dice("operator"))
        await operator.listen()
        for _ in range(scale.integrations):
            await operator.create()
        trouble = Trouble(self, scale.trouble_gap_s, self.dice("trouble"))
        actors = [asyncio.create_task(each.run()) for each in (operator, trouble)]
        for n in range(scale.publishers):
            organization = self.organizations[n % len(self.organizations)]
            one = Publisher(self, organization, scale.publish_gap_s, self.dice(f"publisher {n}"))
            actors.append(asyncio.create_task(one.run()))
        await asyncio.sleep(scale.days * DAY / 1e6)
        self.closing.set()
        self.receivers.heal(now_us())
        self.ledger.trace.note("heal")
        await asyncio.gather(*actors)
        await self._recover(operator)
        await self._drain()
        await self.process.stop()

    async def _recover(self, operator: Operator) -> None:
        """Subscribe everybody again, and recover all that half of them missed."""
        await asyncio.sleep(60)  # what was under way when they healed has ended
        await operator.resubscribe_all()
        for app in self.apps.live()[::2]:
            await operator.recover(app)
            self.recovered.add(app.id)

    async def _drain(self) -> None:
        """Wait until nothing waits."""
        for _ in range(DRAIN_DAYS * 24 * 6):
            left = self._left()
            if not left:
                return
            await asyncio.sleep(600)
        self.ledger.complain("nothing starves", f"{left} deliveries still wait, all receivers well")

    def _left(self) -> int:
        with closing(sqlite3.connect(self.path)) as looking:
            sql = "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'leased')"
            return int(looking.execute(sql).fetchone()[0])


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="hookline-", dir=memory if memory.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def simulate(seed: int, scale: Scale | None = None, *, small: bool = False) -> Result:
    """Play a seed, and examine it."""
    scale = scale or draw_scale(Random(f"{seed} scale"), small=small)
    pauses = Random(f"{seed} pauses")

    def pause() -> tuple[bool, float]:
        return pauses.random() < 0.5, pauses.random() * LONGEST_PAUSE_S

    with _folder() as folder:
        world: World | None = None

        async def main() -> None:
            nonlocal world
            world = World(seed, scale, folder)
            await world.play()
            examine(world)

        try:
            run(main(), VirtualLoop(pause))
        except (Deadlock, Livelock) as trouble:
            assert world is not None
            world.ledger.complain("progress", str(trouble))
        assert world is not None
        ledger = world.ledger
        return Result(
            seed,
            ledger.complaints,
            ledger.trace.digest(),
            ledger.trace.kinds,
            list(ledger.trace.tail),
            len(ledger.in_order),
            len(ledger.accepted),
        )
