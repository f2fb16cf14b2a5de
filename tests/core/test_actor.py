"""An actor has one of three forms, and anything else is refused with its place."""

from typing import Any

import pytest

from hookline.core.actor import SYSTEM, Actor, check_actor
from hookline.core.canonical import parse
from hookline.core.errors import Invalid

PERSON = {"type": "user", "id": 7, "name": "Ada"}


def test_nobody_in_particular_is_the_documented_constant() -> None:
    """The contract's first form, byte for byte."""
    expected = b'{"type":"application","id":"sentry","name":"Sentry"}'
    assert SYSTEM.encode() == expected
    assert SYSTEM.encode_ascii() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"user","id":7,"name":"Ada"}', Actor("user", 7, "Ada")),
        ('{"name":"","id":-0,"type":"user"}', Actor("user", 0, "")),
        ('{"type":"user","id":"u_7","name":"Ada"}', Actor("user", "u_7", "Ada")),
        ('{"type":"application","id":"ci","name":"CI"}', Actor("application", "ci", "CI")),
        (f'{{"type":"user","id":{2**53},"name":"x"}}', Actor("user", 2**53, "x")),
        (f'{{"type":"user","id":{-(2**53)},"name":"x"}}', Actor("user", -(2**53), "x")),
        (f'{{"type":"user","id":1,"name":"{"é" * 200}"}}', Actor("user", 1, "é" * 200)),
    ],
)
def test_the_documented_forms_are_taken(text: str, expected: Actor) -> None:
    """People with integer or text ids, applications with text ids; an empty name is a name."""
    assert check_actor(parse(text.encode())) == expected


def test_ids_may_be_python_integers() -> None:
    """A document that did not come from text is checked by the same rules."""
    assert check_actor(PERSON) == Actor("user", 7, "Ada")


def test_an_actor_is_encoded_in_the_documented_order() -> None:
    """Type, id, name, however the publisher ordered them; both forms."""
    actor = check_actor({"name": "Zoë \ud800", "id": 7, "type": "user"})
    assert actor.encode() == '{"type":"user","id":7,"name":"Zoë \\ud800"}'.encode()
    assert actor.encode_ascii() == b'{"type":"user","id":7,"name":"Zo\\u00eb \\ud800"}'


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("7", "bad-actor", "/actor"),
        ('"user"', "bad-actor", "/actor"),
        ("[]", "bad-actor", "/actor"),
        ("{}", "missing-field", "/actor"),
        ('{"type":"user","id":7}', "missing-field", "/actor"),
        ('{"type":"user","id":7,"name":"A","email":"a@b"}', "unknown-field", "/actor/email"),
        ('{"type":"user","id":7,"nam":"A"}', "unknown-field", "/actor/nam"),
        ('{"type":"user","id":7,"a/b":"A"}', "unknown-field", "/actor/a~1b"),
        ('{"type":"person","id":7,"name":"A"}', "bad-actor", "/actor/type"),
        ('{"type":["user"],"id":7,"name":"A"}', "bad-actor", "/actor/type"),
        ('{"type":null,"id":7,"name":"A"}', "bad-actor", "/actor/type"),
        ('{"type":"user","id":true,"name":"A"}', "bad-actor", "/actor/id"),
        ('{"type":"user","id":null,"name":"A"}', "bad-actor", "/actor/id"),
        ('{"type":"user","id":7.0,"name":"A"}', "bad-actor", "/actor/id"),
        ('{"type":"user","id":7e0,"name":"A"}', "bad-actor", "/actor/id"),
        ('{"type":"user","id":"","name":"A"}', "bad-actor", "/actor/id"),
        (f'{{"type":"user","id":"{"x" * 201}","name":"A"}}', "bad-actor", "/actor/id"),
        (f'{{"type":"user","id":{2**53 + 1},"name":"A"}}', "bad-actor", "/actor/id"),
        (f'{{"type":"user","id":-{2**53 + 1},"name":"A"}}', "bad-actor", "/actor/id"),
        (f'{{"type":"user","id":{"9" * 10_000},"name":"A"}}', "bad-actor", "/actor/id"),
        ('{"type":"application","id":7,"name":"A"}', "bad-actor", "/actor/id"),
        ('{"type":"user","id":7,"name":7}', "bad-actor", "/actor/name"),
        ('{"type":"user","id":7,"name":null}', "bad-actor", "/actor/name"),
        (f'{{"type":"user","id":7,"name":"{"x" * 201}"}}', "bad-actor", "/actor/name"),
    ],
)
def test_everything_else_is_refused_with_its_place(text: str, code: str, where: str) -> None:
    """The pointer leads to the field that is wrong, and the hint is never empty."""
    with pytest.raises(Invalid) as caught:
        check_actor(parse(text.encode()))
    assert (caught.value.code, caught.value.where) == (code, where)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("actor", "message", "hint"),
    [
        ({}, "the actor has no type and id and name", "nobody in particular"),
        ({**PERSON, "nmae": "A"}, 'an actor has no field "nmae"', 'did you mean "name"?'),
        ({**PERSON, "id": 2**53 + 1}, "the actor's id is beyond ±2**53", "send it as a string"),
        ({**PERSON, "type": "x" * 999}, "the actor's type is unknown", '"user" or "application"'),
    ],
)
def test_refusals_say_what_happened_and_what_to_do(
    actor: dict[str, Any], message: str, hint: str
) -> None:
    """The texts that publishers meet most."""
    with pytest.raises(Invalid) as caught:
        check_actor(actor)
    assert caught.value.message == message
    assert hint in caught.value.hint
