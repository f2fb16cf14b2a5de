"""A simulation of the whole way out: all is real but the time, the chance and the network.

Theory of operation
-------------------
* ``loop``: an event loop whose clock jumps to the next timer, so that days pass in seconds. The work of
  threads is done on it too, at instants that chance chooses. Nothing happens in parallel.
* ``process``: one life of a Hookline: the real store on a real file, directory, publisher, registry and
  dispatcher. It can be stopped, and killed between any two calls of the store or in the middle of one.
* ``receivers``: what answers: each has a plan of good and bad times, drawn before the run.
* ``traffic``, ``operators``, ``trouble``: who publishes, who changes things, what goes wrong.
* ``ledger``: what happened, as the receivers, the publishers and the operators saw it, and the trace.
* ``invariants``, ``limits``: what must be true afterwards, worked out from the ledger and the file.
* ``world``: one run: put together from a seed, left to itself, healed, drained and examined.
* ``mutants``: defects put in on purpose, each of which the invariants must find.

All chance comes from the seed, so that a seed is a run: ``python -m tests.simulation --first 17
--seeds 1`` plays seventeen again, to the byte of its trace.
"""
