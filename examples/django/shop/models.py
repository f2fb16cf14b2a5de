"""The tables of this app."""

from django.db import models


class Order(models.Model):
    """What somebody bought."""

    item = models.TextField()
    number = models.IntegerField()
