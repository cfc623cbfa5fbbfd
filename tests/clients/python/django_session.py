"""A session of Django on psycopg, written down line by line: inspectdb, the ORM, migrations.

The connection comes from libpq's variables; QG_MASKED says that this account sees masks. The same lines are expected past
the gateway and through it, but for masked values. What only an account that may define things does is left out where QG_MASKED is set.
"""
import os
import sys
from io import StringIO

import django
from django.conf import settings
from django.core.management import call_command

MASKED = "QG_MASKED" in os.environ


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


settings.configure(
    SECRET_KEY="not one",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
        "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
        "OPTIONS": {"server_side_binding": "QG_SERVER_BINDING" in os.environ},
    }},
)
django.setup()

from django.db import DataError, IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Avg, Case, Count, Exists, F, Max, OuterRef, Prefetch, Q, Subquery, Sum, Value, When, Window  # noqa: E402
from django.db.models.functions import Coalesce, Concat, ExtractYear, Lower, Rank, TruncMonth  # noqa: E402


def model(title, table, **fields):
    meta = type("Meta", (), {"app_label": "shop", "db_table": table, "managed": False})
    return type(title, (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


Person = model("Person", "people", id=models.IntegerField(primary_key=True), name=models.TextField(), email=models.TextField(null=True), ssn=models.TextField(null=True))
Order = model(
    "Order", "orders", id=models.IntegerField(primary_key=True), person=models.ForeignKey(Person, models.DO_NOTHING, related_name="orders"),
    status=models.TextField(default="new"), amount=models.DecimalField(max_digits=10, decimal_places=2, null=True), note=models.TextField(null=True))
Item = model("Item", "items", id=models.IntegerField(primary_key=True), label=models.TextField(null=True))


def introspection():
    out = StringIO()
    call_command("inspectdb", "people", "orders", "items", "contacts", include_views=True, stdout=out)
    say("inspectdb", out.getvalue())
    say("tables", sorted(connection.introspection.table_names(include_views=True)))
    with connection.cursor() as cursor:
        for table in ("people", "orders"):
            say("constraints", sorted(connection.introspection.get_constraints(cursor, table).items()))
            say("sequences", connection.introspection.get_sequences(cursor, table))


def reading():
    say("get", (Person.objects.get(pk=3).email, Person.objects.get(pk=3).name))
    say("first", Person.objects.order_by("id").first().ssn)
    say("values", list(Person.objects.filter(id__in=[1, 2]).order_by("id").values("id", "email", "ssn")))
    say("related", [(o.id, o.person.email) for o in Order.objects.select_related("person").filter(amount__lt=5).order_by("id")])
    say("prefetched", [(p.email, len(p.orders.all())) for p in Person.objects.prefetch_related("orders").filter(id__lt=4).order_by("id")])
    paid = Prefetch("orders", Order.objects.filter(status="paid").order_by("-amount"), to_attr="paid")
    say("chosen", [(p.name, [o.id for o in p.paid][:2]) for p in Person.objects.prefetch_related(paid).filter(id__lt=4).order_by("id")])
    say("aggregate", Order.objects.aggregate(total=Sum("amount"), mean=Avg("amount"), most=Max("id"), paid=Count("id", filter=Q(status="paid"))))
    say("annotated", list(Order.objects.values("status").annotate(n=Count("id"), total=Coalesce(Sum("amount"), Value(0), output_field=models.DecimalField())).order_by("status")))
    say("per person", list(Order.objects.values_list("person__name").annotate(n=Count("id")).filter(n__gt=9).order_by("person__name")[:3]))
    say("exists", [Order.objects.filter(status="paid").exists(), Item.objects.filter(pk=77).exists()])
    latest = Order.objects.filter(person=OuterRef("pk")).order_by("-id")
    say("subquery", list(Person.objects.annotate(latest=Subquery(latest.values("id")[:1]), any=Exists(latest)).filter(id__lt=4).order_by("id").values_list("id", "latest", "any")))
    say("case", list(Order.objects.annotate(size=Case(When(amount__gt=100, then=Value("big")), default=Value("small"))).values_list("size").annotate(n=Count("id")).order_by("size")))
    say("window", list(Order.objects.annotate(r=Window(Rank(), partition_by=F("status"), order_by=F("amount").desc())).filter(r=1).order_by("id").values_list("id", "r")))
    say("text", list(Person.objects.filter(Q(name__icontains="NAME 1") | Q(name__regex=r"2$")).annotate(l=Lower(Concat("name", Value("!"), output_field=models.TextField()))).order_by("id").values_list("l", flat=True)[:4]))
    say("between", Order.objects.filter(amount__range=(10, 20)).exclude(status="new").count())
    say("union", sorted(Order.objects.filter(id=1).values_list("id").union(Item.objects.values_list("id")).union(Order.objects.filter(id=2).values_list("id"))))
    say("iterated", sum(1 for _ in Order.objects.iterator(chunk_size=25)))
    say("paged", list(Order.objects.order_by("-id").values_list("id", flat=True)[10:13]))
    say("raw", [p.email for p in Person.objects.raw("SELECT id, email FROM people WHERE id < %s ORDER BY id", [3])])
    say("in bulk", sorted(Person.objects.in_bulk([1, 2]).keys()))
    say("explained", "orders" in Order.objects.filter(id=1).explain())


@transaction.atomic
def writing():
    item = Item.objects.create(id=500, label="one")
    item.label = "changed"
    item.save()
    say("made", Item.objects.update_or_create(id=501, defaults={"label": "two"})[1])
    say("found", Item.objects.get_or_create(id=501, defaults={"label": "three"})[0].label)
    say("bulk", len(Item.objects.bulk_create([Item(id=i, label=f"bulk {i}") for i in range(600, 900)], batch_size=100)))
    Item.objects.bulk_create([Item(id=600, label="again")], update_conflicts=True, unique_fields=["id"], update_fields=["label"])
    Item.objects.bulk_create([Item(id=601, label="again")], ignore_conflicts=True)
    say("upserted", list(Item.objects.filter(id__in=[600, 601]).order_by("id").values_list("label", flat=True)))
    say("updated", Item.objects.filter(id=500).update(label=Concat(F("label"), Value("!"), output_field=models.TextField())))
    say("bulk update", Item.objects.bulk_update([Item(id=602, label="x"), Item(id=603, label="y")], ["label"]))
    try:
        with transaction.atomic():
            Item.objects.create(id=500)
    except IntegrityError as e:
        say("integrity", e.__cause__.sqlstate)
    try:
        with transaction.atomic():
            Item.objects.create(id=2**40)
    except DataError as e:
        say("data", e.__cause__.sqlstate if e.__cause__ else "client")
    say("locked", list(Order.objects.select_for_update().filter(id__lt=3).order_by("id").values_list("id", flat=True)))
    person = Person.objects.get(pk=5)
    person.name = "renamed"
    person.save(update_fields=["name"])
    say("renamed", Person.objects.filter(pk=5).values_list("name", "email")[0])
    say("deleted", Item.objects.filter(id__gte=601, id__in=range(601, 700)).delete()[0])
    item.delete()
    say("left", Item.objects.filter(id__gte=500).count())
    transaction.set_rollback(True)


def migrating():
    out = StringIO()
    call_command("migrate", interactive=False, verbosity=1, stdout=out)
    say("migrated", out.getvalue())
    from django.contrib.auth.models import Group, Permission, User
    user = User.objects.create_user("ann", "ann@company.example", "secret")
    group = Group.objects.create(name="editors")
    group.permissions.set(Permission.objects.filter(codename__startswith="view_"))
    user.groups.add(group)
    say("permission", user.has_perm("auth.view_user"))
    say("names", list(User.objects.annotate(n=Count("groups__permissions"), year=ExtractYear("date_joined"), month=TruncMonth("date_joined")).values_list("username", "n")))
    say("login", user.check_password("secret"))
    say("deleted", user.delete())
    for app in ("auth", "sessions", "contenttypes"):
        call_command("migrate", app, "zero", interactive=False, verbosity=0)
    with connection.schema_editor() as editor:
        editor.execute("DROP TABLE django_migrations")


def changing():
    class Note(models.Model):
        text = models.CharField(max_length=20)
        doc = models.JSONField(default=dict)

        class Meta:
            app_label = "shop"

    with connection.schema_editor() as editor:
        editor.create_model(Note)
        field = models.IntegerField(db_default=7, db_index=True)
        field.contribute_to_class(Note, "count")
        editor.add_field(Note, field)
        longer = models.TextField(null=True)
        longer.set_attributes_from_name("text")
        longer.model = Note
        editor.alter_field(Note, Note._meta.get_field("text"), longer)
        editor.add_constraint(Note, models.CheckConstraint(condition=Q(id__gt=0), name="positive"))
        editor.add_index(Note, models.Index(fields=["text"], name="by_text"))
    Note.objects.create(text="a", doc={"n": [1, 2]})
    say("json", list(Note.objects.filter(doc__n__contains=[1]).values_list("text", "doc__n__0")))
    with connection.cursor() as cursor:
        say("columns", [c.name for c in connection.introspection.get_table_description(cursor, "shop_note")])
    with connection.schema_editor() as editor:
        editor.delete_model(Note)


chosen = sys.argv[1:] or ["introspection", "reading", "writing"] + ([] if MASKED else ["migrating", "changing"])
for part in chosen:
    globals()[part]()
