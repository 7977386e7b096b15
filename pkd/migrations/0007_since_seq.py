"""Add a column, and put the triggers away meanwhile.

SQLite makes a table anew for a column, and refuses to rename it while a trigger of another table names it. So does every
later migration of these two tables.
"""

from importlib import import_module

from django.db import migrations, models

TRIGGERS = import_module("pkd.migrations.0006_statements_stay")


class Migration(migrations.Migration):
    dependencies = [
        ("pkd", "0006_statements_stay"),
    ]

    operations = [
        migrations.RunPython(TRIGGERS.drop, TRIGGERS.create),
        migrations.AddField(
            model_name="identity",
            name="since_seq",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.RunPython(TRIGGERS.create, TRIGGERS.drop),
    ]
