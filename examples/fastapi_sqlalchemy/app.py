"""Orders, each of which tells its shop's integrations: FastAPI and SQLAlchemy.

    HOOKLINE_DATABASE=postgresql://app@localhost/shop hookline serve
    HOOKLINE_DATABASE=postgresql://app@localhost/shop uvicorn app:app

The order and its event are one transaction: both are there, or neither.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hookline import Hookline

hooks = Hookline()  # it takes HOOKLINE_DATABASE, and opens nothing
engine = create_async_engine(
    os.environ["HOOKLINE_DATABASE"].replace("postgresql://", "postgresql+asyncpg://")
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
in_stock = {"tea": 100, "cups": 6}


class Base(DeclarativeBase):
    """The tables of this app."""


class Order(Base):
    """What somebody bought."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    number: Mapped[int]


class NewOrder(BaseModel):
    """What somebody wants to buy."""

    item: str
    number: int


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the tables, and let go of the database at the end."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/shops/{shop}/orders", status_code=201)
async def order(shop: str, wanted: NewOrder) -> dict[str, int]:
    """Take an order."""
    async with sessions.begin() as session:
        made = Order(item=wanted.item, number=wanted.number)
        session.add(made)
        await session.flush()  # gives it its id
        await hooks.publish_in(
            session,
            organization=shop,
            resource="order",
            action="placed",
            data={"id": made.id, "item": made.item, "number": made.number},
            id=f"order-{made.id}",
        )
        if wanted.number > in_stock.get(wanted.item, 0):  # rolled back: no order, no event
            raise HTTPException(409, f"there are no {wanted.number} {wanted.item}")
    return {"id": made.id}
