"""Serializers with the wire's camelCase names, and fields that accept one spelling of a value."""

import re
from typing import Any, get_args

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.settings import api_settings

from pkd import keys
from pkd.decisions import checked_reason
from pkd.keys import ClientId
from pkd.models import MAX_REASON_CHARACTERS

# As Python matches it, and as OpenAPI writes it, which knows no \Z.
_, CLIENT_ID_RULE = get_args(ClientId)
CLIENT_ID_PATTERN = CLIENT_ID_RULE.pattern.replace(r"\Z", "$")
LONGEST_NUMBER = re.compile("[0-9]{1,10}")


class CamelSerializer(serializers.Serializer[Any]):
    """Declared in snake_case, like the models; spoken in camelCase, like everything else here."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields under their camelCase names; each reads the attribute that it was named after."""
        fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
        for name, field in super().get_fields().items():
            spoken = re.sub("_(.)", lambda match: match[1].upper(), name)
            if spoken != name and field.source is None:
                field.source = name
            fields[spoken] = field
        return fields


@extend_schema_field({"type": "string", "pattern": CLIENT_ID_PATTERN})
class ClientIdField(serializers.Field[str, Any, str, Any]):
    """Accepts a client ID by the protocol's own rule; a CharField would trim and convert."""

    default_error_messages = dict.fromkeys(
        ("invalid", "required", "null"), "Give 1 to 64 letters, digits, hyphens or underscores."
    )

    def to_internal_value(self, data: Any) -> str:
        """Return the client ID; fail for anything else."""
        try:
            return msgspec.convert(data, ClientId)
        except msgspec.ValidationError:
            self.fail("invalid")

    def to_representation(self, value: str) -> str:
        """Return it unchanged."""
        return value


@extend_schema_field(
    {"type": "string", "minLength": 1, "maxLength": MAX_REASON_CHARACTERS, "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}
)
class ReasonField(serializers.Field[str, Any, str, Any]):
    """Accepts a reason by the directory's own rule."""

    default_error_messages = dict.fromkeys(
        ("invalid", "required", "null"), f"Give a reason of 1 to {MAX_REASON_CHARACTERS} characters."
    )

    def to_internal_value(self, data: Any) -> str:
        """Return the reason without white space around it; fail for anything else."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return checked_reason(data)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: str) -> str:
        """Return it unchanged."""
        return value


@extend_schema_field({"type": "string", "format": "identity"})
class IdentityField(serializers.Field[str, Any, str, Any]):
    """Accepts an identity by the directory's own rule."""

    default_error_messages = dict.fromkeys(("invalid", "null"), keys.NO_IDENTITY)

    def to_internal_value(self, data: Any) -> str:
        """Return the identity; fail for anything else."""
        if not isinstance(data, str) or not keys.is_identity(data):
            self.fail("invalid")
        return data


class SearchField(serializers.RegexField):
    """Accepts a text to look for, of 1 to `max_length` characters; Postgres has no room for a NUL."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[^\x00]*$", required=False, trim_whitespace=False, **options)


class NullableField(serializers.CharField):
    """Writes null for the empty string that a column stores for no value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: str) -> Any:
        """Return None for an empty string."""
        return value or None


class NumberParameter(serializers.IntegerField):
    """Accepts ASCII digits alone: int() would also read `1_0`, ` 7 ` and digits of every script."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number; fail for anything but ASCII digits."""
        if not isinstance(data, str) or not LONGEST_NUMBER.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagParameter(serializers.BooleanField):
    """Accepts `true` or `false`, and none of the many spellings that a form may have."""

    TRUE_VALUES = {"true"}  # noqa: RUF012  # as DRF has it
    FALSE_VALUES = {"false"}  # noqa: RUF012
    NULL_VALUES = set()  # noqa: RUF012
    default_error_messages = {"invalid": "Give true or false."}  # noqa: RUF012


class ParametersSerializer(CamelSerializer):
    """Parameters in a URL, each given once; a name that is none of them is no filter that lets everything pass."""

    def to_internal_value(self, data: Any) -> Any:
        """Check the names, then convert the values."""
        for name in data:
            if name not in self.fields:
                # Not the name itself: what is sent is not sent back.
                sentence = f"There is an unknown parameter. The parameters here are: {', '.join(self.fields)}."
                raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [sentence]})
            if len(data.getlist(name)) > 1:
                raise serializers.ValidationError({name: ["Give it once."]})
        # A plain mapping: in a form's, a flag that is missing would count as false.
        return super().to_internal_value(data.dict())


def checked(parameters: type[ParametersSerializer], request: Request) -> dict[str, Any]:
    """Return the parameters under their Python names; raises DRF's `ValidationError`."""
    read = parameters(data=request.query_params)
    read.is_valid(raise_exception=True)
    asked: dict[str, Any] = read.validated_data
    return asked
