"""Taking orders."""

import json

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from hookline import Hookline
from shop.models import Order

hooks = Hookline()  # it takes HOOKLINE_DATABASE, and opens nothing
IN_STOCK = {"tea": 100, "cups": 6}


class SoldOut(Exception):
    """There is not enough of it."""


@csrf_exempt
@require_POST
def order(request: HttpRequest, shop: str) -> HttpResponse:
    """Take an order."""
    wanted = json.loads(request.body)
    try:
        made = place(shop, wanted["item"], wanted["number"])
    except SoldOut:
        return JsonResponse({"detail": "sold out"}, status=409)
    return JsonResponse({"id": made.pk}, status=201)


@transaction.atomic
def place(shop: str, item: str, number: int) -> Order:
    """Store an order and the event that tells of it: both are there, or neither."""
    made = Order.objects.create(item=item, number=number)
    hooks.publish_in(
        connection,
        organization=shop,
        resource="order",
        action="placed",
        data={"id": made.pk, "item": item, "number": number},
        id=f"order-{made.pk}",
    )
    if number > IN_STOCK.get(item, 0):
        raise SoldOut  # rolled back: no order, no event
    return made
