"""A session of SQLAlchemy, written down line by line: reflection, the ORM, what its dialect for psycopg sends.

The connection comes from libpq's variables; QG_MASKED says that this account sees masks. The same lines are expected past
the gateway and through it, but for masked values. What only an account that may define things does is left out where QG_MASKED is set.
"""
import os

from sqlalchemy import (
    CheckConstraint, ForeignKey, Index, Integer, MetaData, Numeric, String, UniqueConstraint, case, create_engine, exists, func, insert, inspect, literal,
    select, text, update,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, aliased, joinedload, mapped_column, relationship, selectinload, subqueryload

MASKED = "QG_MASKED" in os.environ


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String)
    email = mapped_column(String)
    ssn = mapped_column(String)
    orders = relationship("Order", back_populates="person", order_by="Order.id")


class Order(Base):
    __tablename__ = "orders"
    id = mapped_column(Integer, primary_key=True)
    person_id = mapped_column(ForeignKey("people.id"))
    status = mapped_column(String, server_default="new")
    amount = mapped_column(Numeric(10, 2))
    note = mapped_column(String)
    person = relationship(Person, back_populates="orders")


class Item(Base):
    __tablename__ = "items"
    id = mapped_column(Integer, primary_key=True)
    label = mapped_column(String)


def reflection(engine):
    found = inspect(engine)
    say("schemas", found.get_schema_names())
    for schema in (None, "other"):
        say("tables", sorted(found.get_table_names(schema=schema)))
        say("views", found.get_view_names(schema=schema))
        for table in sorted(found.get_table_names(schema=schema)):
            say("columns", [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table, schema=schema)])
            say("primary key", found.get_pk_constraint(table, schema=schema))
            say("foreign keys", found.get_foreign_keys(table, schema=schema))
            say("indexes", found.get_indexes(table, schema=schema))
            say("unique", found.get_unique_constraints(table, schema=schema))
            say("checks", found.get_check_constraints(table, schema=schema))
            say("comment", found.get_table_comment(table, schema=schema))
    say("definition", found.get_view_definition("contacts"))
    say("materialized", found.get_materialized_view_names())
    say("sequences", found.get_sequence_names())
    say("enums", found.get_enums())
    say("domains", found.get_domains())
    say("has", [found.has_table("people"), found.has_table("nowhere"), found.has_sequence("nowhere"), found.has_schema("other"), found.has_index("orders", "orders_by_person")])
    metadata = MetaData()
    metadata.reflect(engine, views=True)
    say("reflected", sorted(metadata.tables))


def reading(session):
    say("get", (session.get(Person, 3).name, session.get(Person, 3).email))
    say("where", session.scalars(select(Person.email).where(Person.id.in_([1, 2, 3])).order_by(Person.id)).all())
    joined = select(Order, Person).join(Order.person).where(Order.status == "paid", Order.amount.between(5, 20)).order_by(Order.id)
    say("join", [(o.id, p.ssn) for o, p in session.execute(joined)])
    for load in (joinedload, selectinload, subqueryload):
        people = session.scalars(select(Person).options(load(Person.orders)).where(Person.id < 3).order_by(Person.id).execution_options(populate_existing=True)).unique().all()
        say("loaded", [(p.email, len(p.orders)) for p in people])
    total = func.sum(Order.amount)
    say("grouped", session.execute(select(Order.status, func.count(), total, func.avg(Order.amount)).group_by(Order.status).having(total > 1).order_by(Order.status)).all())
    say("exists", session.scalar(select(exists().where(Order.person_id == 2))))
    say("case", session.execute(select(Order.id, case((Order.amount > 100, "much"), else_="little")).order_by(Order.amount.desc()).limit(2).offset(3)).all())
    ranked = select(Order.id, func.row_number().over(partition_by=Order.status, order_by=Order.amount.desc()).label("n")).subquery()
    say("window", session.execute(select(ranked.c.id).where(ranked.c.n == 1).order_by(ranked.c.id)).all())
    numbers = select(func.generate_series(1, 3).label("n")).cte("numbers")
    say("cte", session.execute(select(numbers.c.n, func.count(Order.id)).join(Order, Order.person_id == numbers.c.n, isouter=True).group_by(numbers.c.n).order_by(numbers.c.n)).all())
    steps = select(literal(1).label("n")).cte("steps", recursive=True)
    steps = steps.union_all(select(steps.c.n + 1).where(steps.c.n < 5))
    say("recursive", session.execute(select(func.count()).select_from(steps)).scalar())
    other = aliased(Order)
    say("correlated", session.execute(select(Order.id).where(Order.amount == select(func.max(other.amount)).where(other.person_id == Order.person_id).scalar_subquery(), Order.person_id < 4).order_by(Order.id)).all())
    say("array", session.execute(select(func.array_agg(pg.aggregate_order_by(Order.id, Order.id.desc()))).where(Order.id < 5)).scalar())
    say("json", session.execute(select(func.jsonb_build_object("a", 1, type_=pg.JSONB)["a"].astext, func.json_agg(Order.status).filter(Order.id < 3)).where(Order.id < 4)).all())
    say("union", session.execute(select(Order.status).union(select(Item.label)).order_by("status").limit(3)).all())
    say("streamed", sum(len(part) for part in session.scalars(select(Order).execution_options(yield_per=30)).partitions()))
    say("lock", session.scalars(select(Order.id).where(Order.id < 3).order_by(Order.id).with_for_update(skip_locked=True)).all())
    say("distinct", session.scalars(select(Order.status).distinct().order_by(Order.status)).all())
    say("distinct on", session.execute(select(Order.status, Order.id).distinct(Order.status).order_by(Order.status, Order.id)).all())


def writing(session):
    session.add_all([Item(id=500, label="one"), Item(id=501, label="two")])
    session.flush()
    order = Order(id=5000, person_id=1, amount=3)
    session.add(order)
    session.flush()
    say("server default", order.status)
    say("bulk", len(session.scalars(insert(Item).returning(Item.id), [{"id": i, "label": f"bulk {i}"} for i in range(600, 1800)]).all()))
    upsert = pg.insert(Item).values(id=500, label="again")
    session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"label": upsert.excluded.label}))
    session.execute(pg.insert(Item).values(id=500, label="not this").on_conflict_do_nothing())
    session.expire_all()
    say("upserted", session.get(Item, 500).label)
    say("returned", session.execute(update(Item).where(Item.id == 501).values(label=Item.label + "!").returning(Item.label)).all())
    session.execute(update(Item), [{"id": 600, "label": "x"}, {"id": 601, "label": "y"}])
    try:
        with session.begin_nested():
            session.add(Item(id=500, label="twice"))
            session.flush()
    except IntegrityError as e:
        say("integrity", e.orig.sqlstate)
    session.get(Person, 5).name = "renamed"
    session.flush()
    say("renamed", session.execute(select(Person.name, Person.email).where(Person.id == 5)).all())
    session.delete(order)
    session.delete(session.get(Item, 501))
    session.flush()
    say("left", session.scalar(select(func.count()).select_from(Item).where(Item.id >= 500)))
    session.rollback()
    say("rolled back", session.scalar(select(func.count()).select_from(Item).where(Item.id >= 500)))


class Tag(Base):
    __tablename__ = "tags"
    id = mapped_column(Integer, primary_key=True)
    item_id = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), nullable=False)
    kind = mapped_column(pg.ENUM("a", "b", name="kind"), nullable=False, server_default="a")
    doc = mapped_column(pg.JSONB)
    words = mapped_column(pg.ARRAY(String))
    label = mapped_column(String(20), comment="of the tag")
    __table_args__ = (
        UniqueConstraint("item_id", "label", name="one_label"), CheckConstraint("char_length(label) > 1", name="long_label"),
        Index("by_word", "words", postgresql_using="gin"), Index("lower_label", text("lower(label)")), {"comment": "words of items"})


def defining(engine):
    try:
        with engine.connect() as c:
            Tag.metadata.create_all(c)
            c.commit()
        found = inspect(engine)
        for what in ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints", "table_comment"):
            say(what, str(getattr(found, f"get_{what}")("tags")))
        say("enums", found.get_enums())
        with Session(engine) as session:
            session.add(Item(id=900, label="tagged"))
            session.flush()
            session.add_all([Tag(item_id=900, label=f"tag {i}", doc={"n": i, "list": [i]}, words=["x", str(i)]) for i in range(5)])
            session.commit()
            say("contains", session.scalars(select(Tag.label).where(Tag.words.contains(["3"]))).all())
            say("path", session.scalars(select(Tag.label).where(Tag.doc["n"].as_integer() > 2).order_by(Tag.id)).all())
            say("any", session.scalars(select(Tag.label).where(Tag.words.any("4"))).all())
            session.delete(session.get(Item, 900))
            session.commit()
            say("cascaded", session.scalar(select(func.count()).select_from(Tag)))
    finally:
        Tag.__table__.drop(engine, checkfirst=True)
        pg.ENUM(name="kind").drop(engine, checkfirst=True)


engine = create_engine("postgresql+psycopg://", pool_pre_ping=True)
reflection(engine)
with Session(engine) as session:
    reading(session)
    writing(session)
if not MASKED:
    defining(engine)
