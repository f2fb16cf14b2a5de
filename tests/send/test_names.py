"""Looking names up: nobody waits for somebody else's name, and nothing is looked up twice at once."""

import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hookline.core.names import MOST_HUNG
from hookline.send import names as module
from hookline.send.names import IDLE_THREADS, Failed, Found, Names, look_up

LONG_S = 60.0
HERE = Found(("192.0.2.1",))


class Resolver:
    """A resolver that answers a name when the test says so; it notes who was asked for."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._answers: dict[str, queue.SimpleQueue[Found | Failed]] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str) -> Found | Failed:
        self.asked.put(host)
        return self._of(host).get()

    def answer(self, host: str, answer: Found | Failed = HERE) -> None:
        self._of(host).put(answer)

    def _of(self, host: str) -> "queue.SimpleQueue[Found | Failed]":
        with self._lock:
            return self._answers.setdefault(host, queue.SimpleQueue())


class Asker:
    """The thread that owns ``Names``."""

    def __init__(self, resolver: Resolver) -> None:
        self.woken = threading.Event()
        self.names: Names[str] = Names(self.woken.set, resolver)
        self._resolver = resolver
        self._ready: list[tuple[str, Found | Failed | None]] = []

    def ask(self, host: str, waiter: str = "", within: float = LONG_S) -> None:
        self.names.ask(host, waiter or host, time.monotonic() + within)

    def ready(self, number: int) -> list[tuple[str, Found | Failed | None]]:
        """The next ones that need not wait any longer."""
        self._turn_until(lambda: len(self._ready) >= number)
        ready, self._ready = self._ready, []
        return ready

    def begun(self, number: int) -> set[str]:
        """The next look-ups to begin."""
        self._turn_until(lambda: self._resolver.asked.qsize() >= number)
        return {self._resolver.asked.get(timeout=10) for _ in range(number)}

    def taken(self) -> None:
        """All that was found is taken in."""
        self._turn_until(lambda: not self.names.active)

    def _turn_until(self, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        self._ready += self.names.ready()
        while not reached() and time.monotonic() < until:
            wait = self.names.wait_s()
            self.woken.wait(0.01 if wait is None else min(0.01, wait))
            self.woken.clear()
            self._ready += self.names.ready()


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


@pytest.fixture
def asker(resolver: Resolver) -> Iterator[Asker]:
    made = Asker(resolver)
    yield made
    made.names.close()
    for host in list(resolver._answers):
        for _ in range(5):
            resolver.answer(host, Failed("the test is over"))


def test_who_waits_gets_the_answer(asker, resolver):
    """A name is looked up once for all that wait for it, and each of them gets the answer."""
    asker.ask("a.test", "one")
    asker.ask("a.test", "two")
    assert asker.begun(1) == {"a.test"}
    resolver.answer("a.test")
    assert asker.ready(2) == [("one", HERE), ("two", HERE)]
    asker.ask("b.test")
    assert asker.begun(1) == {"b.test"}  # a second look-up of a.test would have come before


def test_a_name_that_hangs_delays_no_other(asker, resolver):
    """Three hundred names hang; the next one is looked up all the same."""
    hanging = {f"n{number}.test" for number in range(300)}
    for host in sorted(hanging):
        asker.ask(host)
    assert asker.begun(300) == hanging
    resolver.answer("good.test")
    asker.ask("good.test")
    assert asker.ready(1) == [("good.test", HERE)]


def test_at_its_deadline_who_waits_is_let_go(asker, resolver):
    """The look-up goes on, and what it finds is there for the next attempt."""
    asker.ask("a.test", "hurried", within=0.01)
    asker.begun(1)
    assert asker.ready(1) == [("hurried", None)]
    asker.ask("a.test", "joins", within=0.01)
    assert asker.ready(1) == [("joins", None)]
    resolver.answer("a.test")
    asker.taken()
    asker.ask("a.test", "retry")
    assert asker.ready(1) == [("retry", HERE)]


def test_a_failure_is_remembered_for_a_moment(asker, resolver, monkeypatch):
    """Until then nobody is asked; after it, the resolver is."""
    resolver.answer("a.test", Failed("no such name"))
    asker.ask("a.test")
    asker.ask("a.test", "two")
    asker.ready(2)
    asker.ask("a.test", "again")
    assert asker.ready(1) == [("again", Failed("no such name"))]
    assert asker.begun(1) == {"a.test"}
    monkeypatch.setattr(module, "FAILED_S", -1.0)
    resolver.answer("b.test", Failed("no such name"))
    asker.ask("b.test")
    asker.ready(1)
    resolver.answer("b.test")
    asker.ask("b.test")
    assert asker.ready(1) == [("b.test", HERE)]


def test_an_answer_that_was_taken_is_not_kept(asker, resolver):
    """The sender hands it to libcurl; kept here as well it would outlive its time."""
    asker.ask("a.test")
    resolver.answer("a.test")
    assert asker.ready(1) == [("a.test", HERE)]
    asker.ask("a.test")
    resolver.answer("a.test", Found(("192.0.2.2",)))
    assert asker.ready(1) == [("a.test", Found(("192.0.2.2",)))]


def hung(asker, resolver, monkeypatch, hosts):
    """Have the names hang once."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "HUNG_S", 0.0)
        patch.setattr(module, "FAILED_S", -1.0)
        for host in hosts:
            resolver.answer(host, Failed("gave up"))
            asker.ask(host)
        asker.ready(len(hosts))
        asker.begun(len(hosts))


def test_names_that_hung_wait_for_each_other(asker, resolver, monkeypatch):
    """They share a few threads; as one is free, the next one has it; others are not concerned."""
    hosts = [f"n{number}.test" for number in range(MOST_HUNG + 2)]
    hung(asker, resolver, monkeypatch, hosts)
    for host in hosts:
        asker.ask(host)
    begun = asker.begun(MOST_HUNG)
    asker.ask("new.test")
    assert asker.begun(1) == {"new.test"}
    resolver.answer(hosts[0])
    assert asker.ready(1) == [(hosts[0], HERE)]
    assert begun | asker.begun(1) == set(hosts[: MOST_HUNG + 1])


def test_a_name_that_hung_gets_out_of_it(asker, resolver, monkeypatch):
    """It is looked up though nobody waits any more, and the next attempt has what was found."""
    hosts = [f"n{number}.test" for number in range(MOST_HUNG + 1)]
    hung(asker, resolver, monkeypatch, hosts)
    for host in hosts[:-1]:
        asker.ask(host)
    asker.begun(MOST_HUNG)
    asker.ask(hosts[-1], within=0.0)
    assert asker.ready(1) == [(hosts[-1], None)]
    resolver.answer(hosts[-1])
    resolver.answer(hosts[0])
    assert asker.ready(1) == [(hosts[0], HERE)]
    assert asker.begun(1) == {hosts[-1]}
    asker.ask(hosts[-1])
    assert asker.ready(1) == [(hosts[-1], HERE)]


def test_a_new_name_that_nobody_waits_for_is_not_looked_up(asker, resolver, monkeypatch):
    """Of those who left before a thread was free, none is asked for."""
    monkeypatch.setattr("hookline.core.names.MOST_THREADS", 33)  # one beside the reserved ones
    asker.ask("a.test")
    asker.begun(1)
    asker.ask("b.test", within=0.0)
    asker.ask("c.test")
    assert asker.ready(1) == [("b.test", None)]
    resolver.answer("a.test")
    asker.ready(1)
    assert asker.begun(1) == {"c.test"}


def test_too_many_waiting_names(asker, resolver, monkeypatch):
    """What waits is bounded: the oldest is given up, and who waits for it hears of it."""
    monkeypatch.setattr("hookline.core.names.MOST_THREADS", 33)
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    asker.ask("a.test")
    asker.begun(1)
    for host in ("b.test", "c.test", "d.test"):
        asker.ask(host)
    ((waiter, answer),) = asker.ready(1)
    assert waiter == "b.test"
    assert answer == Failed("too many names wait to be looked up")


def test_threads_that_nobody_needs_end(asker, resolver):
    """After a rush a few stay."""
    hosts = [f"n{number}.test" for number in range(100)]
    for host in hosts:
        asker.ask(host)
    asker.begun(100)
    before = [each for each in threading.enumerate() if each.name == "hookline-names"]
    for host in hosts:
        resolver.answer(host)
    asker.ready(100)
    until = time.monotonic() + 10
    while sum(each.is_alive() for each in before) > IDLE_THREADS:
        assert time.monotonic() < until
        before[-1].join(0.01)


def test_after_closing_nobody_is_woken(resolver):
    """A look-up that ends after that finds no one: its descriptor may be somebody else's by then."""
    asker = Asker(resolver)
    asker.ask("a.test")
    asker.ask("b.test")
    asker.begun(2)
    threads = [each for each in threading.enumerate() if each.name == "hookline-names"]
    asker.names.close()
    resolver.answer("a.test")
    resolver.answer("b.test")
    for each in threads:
        each.join(10)
    assert not asker.woken.is_set()


@pytest.mark.parametrize("host", ["a..test", "a" * 64 + ".test", "-", "." * 253])
def test_what_no_resolver_takes_is_a_failure(host):
    """No name ends a looking thread."""
    assert isinstance(look_up(host), Failed)


def test_the_systems_resolver_is_asked(monkeypatch):
    """Addresses are handed over once each, without a zone, and not thousands of them."""
    rows = [(10, 1, 6, "", (f"fe80::{n:x}%lo", 0, 0, 1)) for n in range(1, 1000) for _ in "ab"]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_given, **_named: rows)
    found = look_up("a.test")
    assert found == Found(tuple(f"fe80::{n:x}" for n in range(1, module.MOST_ADDRESSES + 1)))


def test_names_without_a_server_delay_no_other(world):
    """Three hundred names whose server is silent, and twenty good ones after them: these come first."""
    silent = {f"silent{number}.test": [None] for number in range(300)}
    good = {f"good{number}.test": [["93.184.216.34"]] for number in range(20)}
    outcomes, connections = world.act(
        [f"http://{name}/" for name in (*silent, *good)], names=silent | good, timeout_ms=5_000
    )
    assert [each["kind"] for each in outcomes] == ["Unanswered"] * 300 + ["Answered"] * 20
    assert {each["reason"] for each in outcomes[:300]} == {"dns"}
    assert set(world.order[:20]) == set(range(300, 320))
    assert len(connections) == 20


def test_the_time_that_a_look_up_takes_is_in_the_log(world):
    """It is the attempt's, whether it led to an answer or not."""
    answered, lost = world.act(
        ["http://good.test/", "http://silent.test/"],
        names={"good.test": [["93.184.216.34"]], "silent.test": [None]},
        timeout_ms=500,
    )[0]
    times = answered["timings"]
    assert 0 < times["dns"] <= times["connect"] <= times["first_byte"] <= times["total"]
    assert lost["timings"]["dns"] == lost["timings"]["total"] > 0
    assert lost["timings"]["connect"] == 0


def test_both_families_are_handed_over(world):
    """Where one address is down, libcurl goes on to the next of the name's, of either family."""
    for down, up in (("93.184.216.34", "2606:2800::1"), ("2606:2800::1", "93.184.216.34")):
        (outcome,), _ = world.act(
            "http://both.test:81/", names={"both.test": [[down, up]]}, listen=[[up, 81, "ok"]]
        )
        assert (outcome["kind"], outcome["status"]) == ("Answered", 204)


def test_a_second_attempt_looks_nothing_up(world):
    """What was found serves the next attempts, on a new connection too."""
    names = {"once.test": [["93.184.216.34"], []]}
    outcomes, connections = world.act(*["http://once.test/close"] * 3, names=names)
    assert [each["kind"] for each in outcomes] == ["Answered"] * 3
    assert connections == ["93.184.216.34 80"] * 3


def test_a_host_that_two_readers_read_differently(world):
    """If libcurl reads another name than we do, the attempt ends, and does not go round for ever."""
    names = {"a.test": [["93.184.216.34"]], "b.test": [["93.184.216.34"]]}
    outcomes, _ = world.act(
        ["http://a.test\\@b.test/", "http://b.test\\.a.test/", "http://a.test;b.test/"],
        names=names, timeout_ms=3_000,
    )  # fmt: skip
    assert {each["kind"] for each in outcomes} <= {"Answered", "Unanswered"}
