"""The one page."""

from django.urls import path

from shop.views import order

urlpatterns = [path("shops/<slug:shop>/orders", order)]
