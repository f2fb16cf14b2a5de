"""What is published arrives, is accepted by both kinds of receiver, and says the same."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.flow.payloads import (
    CONTRACT,
    Arrived,
    Document,
    contract_documents,
    hostile_documents,
    publish_all,
)

from hookline import samples

CONTRACT_DOCUMENTS = list(contract_documents())
needs_contract = pytest.mark.skipif(
    not CONTRACT_DOCUMENTS, reason=f"NO CONTRACT PAYLOADS: there is no {CONTRACT}"
)


def own_samples() -> Iterator[Document]:
    for name in samples.names():
        resource, _, action = name.partition(".")
        made = samples.sample(
            resource, action, now=1_767_225_600_000_000, installation_uuid=str(uuid4())
        )
        yield Document(f"sample {name}", resource, action, made.data, made.actor)


OWN_DOCUMENTS = [*own_samples(), *hostile_documents()]


@pytest.fixture(scope="module")
def arrived(tmp_path_factory) -> dict[str, Arrived]:
    """All documents go through one server and one receiver; the tests look at one each."""
    documents = [*OWN_DOCUMENTS, *CONTRACT_DOCUMENTS]
    found = publish_all(documents, tmp_path_factory.mktemp("flow"))
    return {each.document.name: each for each in found}


def check(each: Arrived) -> None:
    assert each.state == "delivered"
    assert each.report["status"] == 200
    assert each.report["raw"] is True
    assert each.report["js"] is True
    assert each.same


@pytest.mark.parametrize("name", [each.name for each in OWN_DOCUMENTS])
def test_our_documents_are_accepted_both_ways(arrived, name):
    """Samples and hostile documents pass a check over raw bytes and one over V8's."""
    check(arrived[name])


@needs_contract
@pytest.mark.parametrize("name", [each.name for each in CONTRACT_DOCUMENTS])
def test_the_contracts_payloads_are_accepted_both_ways(arrived, name):
    """Each documented payload passes a check over raw bytes and one over V8's."""
    check(arrived[name])


@needs_contract
def test_the_contract_covers_every_documented_resource():
    """No resource is left out of the check above."""
    assert {each.resource for each in CONTRACT_DOCUMENTS} == {
        name.partition(".")[0] for name in samples.names()
    }


def test_only_integers_that_a_double_cannot_hold_are_warned_about(arrived):
    """A publisher is told of each number that is sent as a string, and of nothing else."""
    warned = {name: each.warnings for name, each in arrived.items() if each.warnings}
    assert list(warned) == ["large integers"]
    assert [each["where"] for each in warned["large integers"]] == ["/data/id", "/data/big"]
