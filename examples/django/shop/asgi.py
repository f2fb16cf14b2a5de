"""For servers that speak ASGI: ``uvicorn shop.asgi:app``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = get_asgi_application()
