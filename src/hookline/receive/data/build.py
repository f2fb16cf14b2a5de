"""Types for what is about automatic analyses and builds."""

from typing import Any, NotRequired, TypedDict

__all__ = ["AppInfo", "GitInfo", "PreprodArtifactData", "SeerData"]


Json = dict[str, Any]


class SeerData(TypedDict):
    """``seer.…``: each step's result is there when the step is completed."""

    run_id: int
    group_id: int
    sentry_run_id: NotRequired[str]
    root_cause: NotRequired[Json]
    solution: NotRequired[Json]
    code_changes: NotRequired[dict[str, list[Json]]]
    changes: NotRequired[list[Json]]
    """What older versions call ``code_changes``."""
    pull_requests: NotRequired[list[Json]]


class AppInfo(TypedDict):
    """A build of an app."""

    appId: str | None
    name: str | None
    version: str | None
    buildNumber: int | None
    artifactType: str | None
    dateAdded: str | None
    dateBuilt: str | None


class GitInfo(TypedDict):
    """Where a build comes from."""

    headSha: str
    baseSha: str | None
    provider: str | None
    headRepoName: str | None
    baseRepoName: str | None
    headRef: str | None
    baseRef: str | None
    prNumber: int | None


class PreprodArtifactData(TypedDict):
    """``preprod_artifact.size_analysis_completed`` and ``.build_distribution_completed``."""

    buildId: str
    organizationSlug: str
    projectSlug: str
    platform: str | None
    state: str
    appInfo: AppInfo
    gitInfo: GitInfo | None
    errorCode: str | None
    errorMessage: str | None
    # size_analysis_completed
    downloadSize: NotRequired[int | None]
    installSize: NotRequired[int | None]
    analysisDuration: NotRequired[float | None]
    analysisVersion: NotRequired[str | None]
    baseBuildId: NotRequired[str | None]
    baseAppInfo: NotRequired[AppInfo | None]
    comparisons: NotRequired[list[Json]]
    # build_distribution_completed
    projectId: NotRequired[str]
    buildConfiguration: NotRequired[str | None]
    isInstallable: NotRequired[bool]
    installUrl: NotRequired[str | None]
    isCodeSignatureValid: NotRequired[bool | None]
    profileName: NotRequired[str | None]
    codesigningType: NotRequired[str | None]
