"""``/metrics``, for Prometheus and whoever reads its format."""

from litestar import MediaType, Response, get

from hookline.server.api.injected import TheEngine
from hookline.server.metrics import MEDIA_TYPE, metrics_text

__all__ = ["metrics"]


@get("/metrics", summary="Read the metrics", tags=["health"], media_type=MediaType.TEXT)
async def metrics(engine: TheEngine) -> Response[bytes]:
    """Counters, histograms and gauges in the text format of Prometheus, since this process started.

    Let Prometheus send a key: ``authorization: {credentials: <key>}`` in its scrape configuration.
    """
    return Response(await metrics_text(engine), media_type=MEDIA_TYPE)
