"""Rotating: each attempt is signed by the clock and the choice, and nobody has to be told."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest

from hookline.core.errors import Conflict, Invalid, NotFound, Unavailable
from hookline.core.outcome import Answered
from hookline.core.rotation import SignWith
from hookline.core.signing import matches
from hookline.send.client_secrets import ClientSecrets
from hookline.store.credentials import Erased
from hookline.store.values import DeliveryFilter
from hookline.store.vault import Vault

SECOND = 1_000_000
OLD, NEW = SignWith.OLD, SignWith.NEW


@pytest.fixture
def secrets(bench) -> ClientSecrets:
    return ClientSecrets(
        bench.store,
        bench.directory,
        Vault(b"k" * 32),
        find=bench.registry.integration,
        clock=bench.clock,
        entropy=os.urandom,
    )


@contextlib.asynccontextmanager
async def erasing(secrets: ClientSecrets) -> AsyncIterator[None]:
    """Erase in the background, for the length of the block."""
    running = asyncio.create_task(secrets.run())
    try:
        yield
    finally:
        secrets.stop()
        await asyncio.wait_for(running, 10)


async def signer(bench, **names: str) -> str:
    """Publish one event, and return by which of these secrets it was signed."""
    before = len(bench.sender.posted)
    await bench.publish()
    await bench.sender.wait(before + 1)
    await bench.settled()
    outbound = bench.sender.posted[before][1]
    (name,) = [
        name
        for name, text in names.items()
        if matches(text, outbound.body, outbound.signature)
        and ("Sentry-Hook-Signature", outbound.signature) in outbound.headers
    ]
    return name


async def test_the_new_secret_signs_from_the_next_attempt_on(bench, secrets):
    """By default, at once, and after the overlap too."""
    old = (await bench.register()).client_secret.reveal()
    assert await signer(bench, old=old) == "old"
    rotated = await secrets.rotate("pager", overlap=60)
    assert rotated.previous_expires_at == bench.clock.now + 60 * SECOND
    new = rotated.client_secret.reveal()
    assert new != old
    for _ in range(2):
        assert await signer(bench, old=old, new=new) == "new"
        bench.clock.now += 60 * SECOND


async def test_the_old_secret_signs_until_the_overlap_ends(bench, secrets):
    """The last attempt before the end is its own; at the very end, with no one told, the new one's."""
    old = (await bench.register()).client_secret.reveal()
    new = (await secrets.rotate("pager", overlap=60, sign_with=OLD)).client_secret.reveal()
    assert await signer(bench, old=old, new=new) == "old"
    bench.clock.now += 60 * SECOND - 1
    assert await signer(bench, old=old, new=new) == "old"
    bench.clock.now += 1
    assert await signer(bench, old=old, new=new) == "new"


async def test_the_choice_can_be_changed_during_the_overlap(bench, secrets):
    """It holds from the next attempt on, both ways."""
    old = (await bench.register()).client_secret.reveal()
    new = (await secrets.rotate("pager")).client_secret.reveal()
    for choice in (OLD, NEW, OLD):
        await secrets.choose("pager", choice)
        assert await signer(bench, old=old, new=new) == choice.value
        assert [each.signs for each in await secrets.known("pager")] == [
            choice is OLD,
            choice is NEW,
        ]


async def test_rotating_again_ends_the_oldest(bench, secrets):
    """Of three, the middle one is the old one now."""
    await bench.register()
    second = (await secrets.rotate("pager")).client_secret.reveal()
    third = (await secrets.rotate("pager", sign_with=OLD)).client_secret.reveal()
    assert await signer(bench, second=second, third=third) == "second"
    hints = [each.hint for each in await secrets.known("pager")]
    assert hints == ["********" + second[-4:], "********" + third[-4:]]


async def test_without_an_overlap_only_the_new_one_is_left(bench, secrets):
    """It ends the old one at once."""
    await bench.register()
    rotated = await secrets.rotate("pager", overlap=0)
    assert rotated.previous_expires_at == bench.clock.now
    (only,) = await secrets.known("pager")
    assert (only.signs, only.expires_at) == (True, None)
    assert await signer(bench, new=rotated.client_secret.reveal()) == "new"


async def test_an_attempt_under_way_keeps_its_signature(bench, secrets):
    """The log has each attempt's own: the old secret's before the rotation, the new one's after."""
    old = (await bench.register(retry_schedule=(0, 0))).client_secret.reveal()
    bench.sender.script = None
    await bench.publish()
    await bench.sender.wait(1)
    new = (await secrets.rotate("pager", overlap=0)).client_secret.reveal()
    bench.sender.finish(0, Answered(500))
    await bench.sender.wait(2)
    bench.sender.finish(1, Answered(204))
    await bench.settled()
    (delivery,) = await bench.store.deliveries(DeliveryFilter())
    attempts = await bench.store.attempts(bytes.fromhex(delivery.id))
    body = bench.sender.posted[0][1].body
    signed = [matches(secret, body, each.signature) for each in attempts for secret in (old, new)]
    assert signed == [True, False, False, True]


async def test_an_unreadable_secret_is_mended_by_rotating(bench, secrets, store):
    """What was tampered with stops its integration; with a new secret it goes on at once."""
    await bench.register()
    await store._write(lambda c: c.execute("UPDATE secrets SET sealed = x'00'") and None)
    assert [each.hint for each in await secrets.known("pager")] == [None]
    new = (await secrets.rotate("pager")).client_secret.reveal()
    assert await signer(bench, new=new) == "new"
    await secrets.choose("pager", OLD)
    await bench.publish()
    await bench.settled()
    assert len(bench.sender.posted) == 1


async def test_the_expired_are_erased_and_forgotten(bench, secrets):
    """When its time is over the row is empty and the directory reads anew; then there is rest."""
    await bench.register()
    old = (await bench.store.secrets(1))[0].sealed
    await secrets.rotate("pager", overlap=60)
    assert await secrets._erase() == 60
    bench.clock.now += 30 * SECOND
    assert await secrets._erase() == 30
    assert len(await bench.store.secrets(1)) == 2
    generation = bench.directory._generation
    bench.clock.now += 30 * SECOND
    assert await secrets._erase() is None
    assert old not in [each.sealed for each in await bench.store.secrets(1)]
    assert bench.directory._generation == generation + 1


async def test_rotating_wakes_the_eraser(bench, secrets):
    """It slept without an end, and erases what a rotation without an overlap left."""
    await bench.register()
    asked = []
    woken = asyncio.Event()
    erase = bench.store.erase_secrets

    async def counted(now: int) -> Erased:
        asked.append(now)
        woken.set()
        return await erase(now)

    bench.store.erase_secrets = counted
    async with erasing(secrets):
        await asyncio.wait_for(woken.wait(), 10)
        woken.clear()
        await secrets.rotate("pager", overlap=0)
        await asyncio.wait_for(woken.wait(), 10)
    assert len(asked) == 2


async def test_trouble_is_tried_again(bench, secrets):
    """A store that is away, a read in the way, a defect: again, after longer each time, then anew."""
    held_up, away = Erased(0, False, None), Unavailable("disk-full", "full", "x")
    answers = iter([away, *[held_up] * 5, ValueError("?"), Erased(1, True, None), held_up])

    async def troubled(_now: int) -> Erased:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.store.erase_secrets = troubled
    rests = [await secrets._erase() for _ in range(9)]
    assert rests == [5, 10, 20, 40, 60, 60, 60, None, 5]


async def test_refusals(bench, secrets):
    """Nobody's secrets, an overlap out of range, an old one that is not there."""
    await bench.register()
    with pytest.raises(NotFound):
        await secrets.rotate("nobody")
    with pytest.raises(Invalid):
        await secrets.rotate("pager", overlap=604_801)
    with pytest.raises(Invalid):
        await secrets.rotate("pager", overlap=0, sign_with=OLD)
    with pytest.raises(Conflict):
        await secrets.choose("pager", OLD)
    assert len(await secrets.known("pager")) == 1
