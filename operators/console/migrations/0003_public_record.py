from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("console", "0002_groups")]

    operations = [
        migrations.CreateModel(
            name="PublicRecord",
            fields=[("vkey", models.CharField(max_length=400, primary_key=True, serialize=False))],
            options={
                "managed": False,
                "default_permissions": ("view",),
                "verbose_name": "public record",
                "verbose_name_plural": "public record",
            },
        ),
    ]
