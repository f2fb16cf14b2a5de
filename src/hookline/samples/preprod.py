"""Samples of ``preprod_artifact``: builds that were measured or handed out."""

from hookline.samples.world import PROJECT_ID, Json, World

__all__ = ["preprod_artifact"]

_PROJECT = "checkout-app"
_APP = "example.northwind.checkout"


def preprod_artifact(world: World, action: str) -> Json:
    """A build was measured, or is ready to be installed."""
    distributed = action == "build_distribution_completed"
    data: Json = {"buildId": "5107", "organizationSlug": world.organization}
    if distributed:
        data["projectId"] = str(PROJECT_ID + 1)
    data |= {
        "projectSlug": _PROJECT,
        "platform": "ANDROID" if distributed else "APPLE",
        "state": "COMPLETED",
        "appInfo": _app(world, 431, hours=0, kind="APK" if distributed else "XCARCHIVE"),
        "gitInfo": _git(),
        "errorCode": None,
        "errorMessage": None,
    }
    return data | (_distribution(world) if distributed else _sizes(world))


def _app(world: World, build: int, *, hours: int, kind: str) -> Json:
    return {
        "appId": _APP,
        "name": "Northwind à la carte",
        "version": "7.12.0",
        "buildNumber": build,
        "artifactType": kind,
        "dateAdded": world.offset_at(minutes=60 * hours + 4, seconds=0.25),
        "dateBuilt": world.offset_at(minutes=60 * hours + 9),
    }


def _git() -> Json:
    return {
        "headSha": "c81f02d97ab3465e0dc4f1b2e97350a86d1e4f70",
        "baseSha": "2e77a0f4d5b81c936ea40f8d71b25c09e3f6ad18",
        "provider": "github",
        "headRepoName": "northwind/checkout-app",
        "baseRepoName": "northwind/checkout-app",
        "headRef": "refused-receipts",
        "baseRef": "trunk",
        "prNumber": 97,
    }


def _distribution(world: World) -> Json:
    path = f"projects/{world.organization}/{_PROJECT}/files/installablepreprodartifact/k7q2m9/"
    return {
        "buildConfiguration": "release",
        "isInstallable": True,
        "installUrl": world.api(f"{path}?response_format=apk"),
        "isCodeSignatureValid": None,
        "profileName": None,
        "codesigningType": None,
    }


def _sizes(world: World) -> Json:
    return {
        "downloadSize": 31_457_213,
        "installSize": 48_230_912,
        "analysisDuration": 17.5,
        "analysisVersion": "1.6.0",
        "baseBuildId": "5066",
        "baseAppInfo": _app(world, 430, hours=50, kind="XCARCHIVE"),
        "comparisons": [
            _comparison("MAIN_ARTIFACT", None, head=31_457_213, base=30_911_004),
            _comparison("WATCH_ARTIFACT", f"{_APP}.watch", head=4_118_772, base=4_118_772),
        ],
    }


def _comparison(kind: str, identifier: str | None, *, head: int, base: int) -> Json:
    return {
        "metricsArtifactType": kind,
        "identifier": identifier,
        "state": "SUCCESS",
        "errorCode": None,
        "errorMessage": None,
        "sizeMetricDiff": {
            "metricsArtifactType": kind,
            "identifier": identifier,
            "headInstallSize": head * 3 // 2,
            "headDownloadSize": head,
            "baseInstallSize": base * 3 // 2,
            "baseDownloadSize": base,
        },
    }
