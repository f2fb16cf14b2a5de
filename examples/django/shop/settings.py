"""Just enough for one table and one view."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "for a trial on this machine only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        # The file that `hookline serve` made with the same HOOKLINE_DATABASE.
        "NAME": os.environ["HOOKLINE_DATABASE"].removeprefix("sqlite:///"),
        # Take the lock at the start, and wait for it as long as this (seconds).
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 10},
    }
}
