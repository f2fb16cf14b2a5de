"""Our objects can be printed, by whatever prints objects, without what they keep secret."""

from typing import Any

from hookline.core.masking import Mask
from hookline.core.rotation import SignWith
from hookline.core.secret import Secret
from hookline.send.client_secrets import Rotated
from hookline.send.engine import EngineConfig
from hookline.send.registry import Registered
from hookline.server.api.secret_shapes import KeyCreated, RotatedOut
from hookline.server.api.shapes import InstalledOut, IntegrationCreated
from hookline.server.keys import KeyRing
from hookline.settings import Settings
from hookline.store.vault import Vault


def _printed(*objects: Any) -> str:
    return " ".join(
        f"{each} {each!r} {each.__dict__ if hasattr(each, '__dict__') else ''}" for each in objects
    )


def test_what_holds_secrets_does_not_print_them(live: Any) -> None:
    """Routes, answers, settings, keys: each is printed alone, in a list, and with its fields."""
    engine = live.served.engine
    slug = live.name()

    async def made() -> Any:
        fields = {"name": slug, "organization": "acme", "webhook_url": "https://hooks.example.com"}
        registered = await engine.registry.create_integration(fields)
        rotated = await engine.client_secrets.rotate(slug)
        key, text = await engine.registry.create_key("printed")
        routes = await engine.directory.routes([registered.integration.id])
        return registered, rotated, key, text, routes

    registered, rotated, key, text, routes = live.run(made)
    installation = registered.installations[0]
    secrets = [registered.client_secret, rotated.client_secret, text, Secret("0f" * 32)]
    environ = {"HOOKLINE_API_KEY": text.reveal(), "HOOKLINE_SECRET_KEY": "0f" * 32}
    settings = Settings.from_environ(environ)
    config = EngineConfig(live.database, settings.allow_addresses, settings.secret_key)
    assert isinstance(registered, Registered)
    assert isinstance(rotated, Rotated)
    printed = _printed(
        registered,
        rotated,
        key,
        routes,
        list(routes.values()),
        IntegrationCreated.made(registered),
        RotatedOut.of(Rotated(rotated.client_secret, 0, SignWith.OLD)),
        KeyCreated.made(key, text.reveal()),
        InstalledOut.made(installation, text.reveal()),
        settings,
        settings.describe(),
        config,
        KeyRing(text),
        Mask(secrets),
        Vault(b"\x0f" * 32),
        live.served,
        engine,
    )
    assert [secret for secret in secrets if secret.reveal()[:20] in printed] == []
    assert printed.count("********") > 5
