"""The peer of shina's HTTP API: trips as a carrier's back end keeps them today.

FastAPI, pydantic, SQLAlchemy 2 with asyncpg, uvicorn: a bearer token is checked, a body validated, a row
written with an entry of the audit in one transaction, each row a tenant's. The table has the columns
of shina's view `trips`, with an index for its filter.

  python app.py create     makes the tables of BENCH_DATABASE_URL
  uvicorn app:app          serves them; BENCH_JWT_KEY is the secret of the tokens
SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import os
import sys
import time
import uuid
from typing import Annotated, ClassVar, Literal

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Index, String, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KEY = os.environ.get("BENCH_JWT_KEY", "")
READERS = {"ADMIN", "DISPATCHER", "VIEWER"}
WRITERS = {"ADMIN", "DISPATCHER"}

engine = create_async_engine(os.environ["BENCH_DATABASE_URL"], pool_size=20, max_overflow=20)
new_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI(title="trips")
bearer = HTTPBearer()


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {int: BigInteger}


class Trip(Base):
    __tablename__ = "trips"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant: Mapped[uuid.UUID]
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str | None] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16), default="DRAFT")
    settling: Mapped[bool] = mapped_column(default=False)
    drafted_at: Mapped[int]
    board_at: Mapped[int]
    planned_from_at: Mapped[int | None]
    planned_to_at: Mapped[int | None]
    day: Mapped[str | None] = mapped_column(String(10))
    vehicle_id: Mapped[uuid.UUID | None]
    driver_id: Mapped[uuid.UUID | None]
    co_driver_id: Mapped[uuid.UUID | None]
    visible_from_at: Mapped[int] = mapped_column(default=0)
    visible_until_at: Mapped[int] = mapped_column(default=0)
    route_id: Mapped[uuid.UUID | None]
    route_version: Mapped[int | None]
    reservation_id: Mapped[uuid.UUID | None]
    attempt: Mapped[int] = mapped_column(default=0)
    stops: Mapped[int] = mapped_column(default=0)
    stops_closed: Mapped[int] = mapped_column(default=0)
    deliveries: Mapped[int] = mapped_column(default=0)
    deliveries_awaited: Mapped[int] = mapped_column(default=0)
    load_g: Mapped[int] = mapped_column(default=0)
    load_ml: Mapped[int] = mapped_column(default=0)
    planned_m: Mapped[int] = mapped_column(default=0)
    planned_s: Mapped[int] = mapped_column(default=0)
    departed_at: Mapped[int | None]
    finished_at: Mapped[int | None]
    failure_code: Mapped[str | None] = mapped_column(String(64))
    failure_detail: Mapped[str | None] = mapped_column(String(300))
    costs_pending: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("trips_board", "tenant", "status", "board_at", "id"),)


class Audit(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[uuid.UUID]
    trip_id: Mapped[uuid.UUID]
    actor: Mapped[uuid.UUID]
    action: Mapped[str] = mapped_column(String(64))
    at: Mapped[int]
    data: Mapped[dict] = mapped_column(JSONB)


class Caller(BaseModel):
    sub: uuid.UUID
    tenant: uuid.UUID
    roles: list[str]


class Draft(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=80)


class Made(BaseModel):
    id: uuid.UUID
    version: int


class TripOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    version: int
    name: str | None
    status: str
    settling: bool
    drafted_at: int
    board_at: int
    planned_from_at: int | None
    planned_to_at: int | None
    day: str | None
    vehicle_id: uuid.UUID | None
    driver_id: uuid.UUID | None
    co_driver_id: uuid.UUID | None
    visible_from_at: int
    visible_until_at: int
    route_id: uuid.UUID | None
    route_version: int | None
    reservation_id: uuid.UUID | None
    attempt: int
    stops: int
    stops_closed: int
    deliveries: int
    deliveries_awaited: int
    load_g: int
    load_ml: int
    planned_m: int
    planned_s: int
    departed_at: int | None
    finished_at: int | None
    failure_code: str | None
    failure_detail: str | None
    costs_pending: int


class Page(BaseModel):
    items: list[TripOut]


async def session():
    async with new_session() as s:
        yield s


async def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> Caller:
    try:
        claims = jwt.decode(credentials.credentials, KEY, algorithms=["HS256"],
                            options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError as wrong:
        raise HTTPException(401, "the token is not valid") from wrong
    return Caller.model_validate(claims)


def permit(who: Caller, roles: set[str]):
    if not roles & set(who.roles):
        raise HTTPException(403, "not allowed")


Session = Annotated[AsyncSession, Depends(session)]
Asker = Annotated[Caller, Depends(caller)]


@app.get("/healthz")
async def health():
    return {"status": "ok"}


@app.post("/api/v1/trips", status_code=201, response_model=Made)
async def draft(body: Draft, who: Asker, s: Session, response: Response):
    permit(who, WRITERS)
    now_ms = time.time_ns() // 1000000
    async with s.begin():
        trip = Trip(id=uuid.uuid4(), tenant=who.tenant, name=body.name, drafted_at=now_ms, board_at=now_ms)
        s.add(trip)
        s.add(Audit(tenant=who.tenant, trip_id=trip.id, actor=who.sub, action="trips.draft", at=now_ms,
                    data=body.model_dump()))
    response.headers["Location"] = f"/api/v1/trips/{trip.id}"
    return Made(id=trip.id, version=trip.version)


@app.get("/api/v1/trips/{trip_id}", response_model=TripOut)
async def item(trip_id: uuid.UUID, who: Asker, s: Session):
    permit(who, READERS)
    found = await s.scalar(select(Trip).where(Trip.id == trip_id, Trip.tenant == who.tenant))
    if found is None:
        raise HTTPException(404, "there is no such trip")
    return found


@app.get("/api/v1/trips", response_model=Page)
async def board(who: Asker, s: Session, limit: Annotated[int, Query(ge=1, le=200)] = 50,
                status: Literal["DRAFT", "PLANNED", "ASSIGNED", "CANCELLED"] | None = None):
    permit(who, READERS)
    query = select(Trip).where(Trip.tenant == who.tenant)
    if status is not None:
        query = query.where(Trip.status == status)
    found = await s.scalars(query.order_by(Trip.board_at.desc(), Trip.id.desc()).limit(limit))
    return Page(items=found.all())


async def create():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__" and sys.argv[1:] == ["create"]:
    asyncio.run(create())
