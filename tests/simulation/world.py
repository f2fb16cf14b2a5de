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
from tests.simulation.scales import Scale, draw_scale
from tests.simulation.stored import Stored
from tests.simulation.traffic import Publisher
from tests.simulation.trouble import Trouble

from hookline.core.instants import DAY

__all__ = ["Result", "World", "simulate"]

DRAIN_DAYS = 20
LONGEST_PAUSE_S = 0.004  # the store's threads are done within that


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run.

    Attributes:
        kinds: how often each kind of thing happened, as the trace has it.
        notices: what operators were told, such as ``unsubscribed timeouts``.
    """

    seed: int
    command: str
    complaints: list[str]
    digest: str
    kinds: Counter[str]
    notices: Counter[str]
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
                f"seed {self.seed}; again: {self.command}",
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
        self.stored = Stored()
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
        operator = Operator(self, scale.change_gap_s, scale.characters, self.dice("operator"))
        await operator.listen()
        for _ in range(scale.integrations):
            await operator.create()
        trouble = Trouble(self, scale.trouble_gap_s, self.dice("trouble"))
        actors = [asyncio.create_task(each.run()) for each in (operator, trouble)]
        for n in range(scale.publishers):
            organization = self.organizations[n % len(self.organizations)]
            dice = self.dice(f"publisher {n}")
            one = Publisher(
                self, organization, scale.publish_gap_s * 4 ** dice.uniform(-1, 1), dice
            )
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


def simulate(seed: int, kind: str = "any") -> Result:
    """Play a seed in a world of this kind (``scales.KINDS``), and examine it."""
    scale = draw_scale(Random(f"{seed} scale"), kind)
    pauses = Random(f"{seed} pauses")

    def pause() -> tuple[bool, float]:
        return pauses.random() < 0.5, pauses.random() * LONGEST_PAUSE_S

    with _folder() as folder:
        world: World | None = None

        async def main() -> None:
            nonlocal world
            world = World(seed, scale, folder)
            await world.play()
            world.stored = examine(world)

        try:
            run(main(), VirtualLoop(pause))
        except (Deadlock, Livelock) as trouble:
            assert world is not None
            world.ledger.complain("progress", str(trouble))
        assert world is not None
        ledger = world.ledger
        chosen = "" if kind == "any" else f" --kind {kind}"
        return Result(
            seed,
            f"python -m tests.simulation --first {seed} --seeds 1{chosen}",
            ledger.complaints,
            ledger.trace.digest(),
            ledger.trace.kinds,
            Counter(f"{each.kind} {each.reason}" for each in world.stored.notices),
            list(ledger.trace.tail),
            len(ledger.in_order),
            len(ledger.accepted),
        )
