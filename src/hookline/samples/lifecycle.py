"""Samples of ``installation``."""

from hookline.samples.world import APP_ID, ORGANIZATION_ID, Json, World

__all__ = ["installation"]


def installation(world: World, action: str) -> Json:
    """An integration was installed into, or removed from, an organization."""
    created = action == "created"
    told: Json = {
        "status": "pending" if created else "installed",
        "organization": {"slug": world.organization, "id": ORGANIZATION_ID},
        "app": {
            "uuid": "c0a1f7de-5b3e-4d0c-9a55-1f27e8b6d904",
            "slug": world.integration,
            "sentryAppId": APP_ID,
        },
    }
    if created:
        # The grant code is told only while it has not been exchanged.
        told["code"] = "6be1a90d47f3428c95d2e7710ac84b3f"
    told["uuid"] = world.installation_uuid
    return {"installation": told}
